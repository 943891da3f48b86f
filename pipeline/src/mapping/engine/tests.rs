mod builder;
mod derived;
mod histories;
mod one_to_one;
mod runners;
mod sums;

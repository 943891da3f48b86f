mod builder;
mod one_to_one;
mod sums;

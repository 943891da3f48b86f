//! Machines that a script describes to the fake library, and what is read of their boards.

mod page;

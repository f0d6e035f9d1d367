//! The same workloads on every backend and with every durability that it has, ours and by hand in turns.
//!
//! A [`Work`] is measured on a [`Bench`]: a backend with a durability, on some ground, with some effort. What comes out is a
//! [`Measurement`], or a [`Gap`] that says why there is none. All of them together with the [`machine`] are a
//! [`Report`], which prints as a table, as JSON and as a page, and which a later one can be held against.

pub mod appends;
pub mod arrival;
pub mod baseline;
pub mod bench;
pub mod bytes;
pub mod crash;
pub mod fresh;
pub mod machine;
pub mod measure;
pub mod page;
pub mod reads;
pub mod report;
pub mod table;
pub mod weight;
pub mod work;

pub use bench::{Bench, Effort};
pub use measure::{Figure, Gap, Measurement, Unit};
pub use report::Report;
pub use work::Work;

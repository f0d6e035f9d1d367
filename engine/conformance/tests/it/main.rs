//! Tests of the kit itself.

mod memory;

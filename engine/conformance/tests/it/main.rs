//! Tests of the kit itself.

mod broken_stores;
mod fault;
mod memory;
mod register;
mod spoil;
mod twins;

//! The rules of the address space, a subject a file.

mod comm;
mod during;
mod epoch;
mod identity;
mod kernel;
mod kinds;
mod mapping;
mod model;
mod process;
mod scale;
mod script;

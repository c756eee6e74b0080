//! What is asked over the network about tokens: keys, introspection, a verifier of the operator's, other tokens.
//!
//! Nothing that a caller sends decides whom is asked: providers are those of the configuration, and the places they
//! publish under their own name.

mod discovery;
mod document;
mod fetched;
mod files;
pub mod http;
mod ring;
mod runtime;
mod schedule;

pub use discovery::{Metadata, Undiscovered, discover};
pub use ring::KeyRing;
pub use runtime::Runtime;

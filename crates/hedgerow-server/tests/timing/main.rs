//! Tests that measure time and memory. They are a program of their own, in which one runs after the other, so that no other test
//! is what they measure.

mod enumeration;
mod load;

/// Held by whoever measures.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

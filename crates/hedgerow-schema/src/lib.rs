//! What an application is, as pure values.

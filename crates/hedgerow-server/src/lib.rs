//! hedgerow-server

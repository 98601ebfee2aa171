//! hedgerow-testing

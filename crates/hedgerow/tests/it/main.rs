//! The library on a real database: isolation, barrier by barrier; transactions; import; the checks before serving.

mod cursors;
mod drift;
mod everything;
mod exchange;
mod fitness;
mod isolation;
mod library;
mod metadata;
mod metas_objects;
mod plans;
mod schemas;

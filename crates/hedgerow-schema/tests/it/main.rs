//! What the files of an application become, and what is said where they are wrong. Nothing here needs a database.

mod entity_files;
mod metas;
mod queries;
mod reference;
mod statements;
mod typescript;

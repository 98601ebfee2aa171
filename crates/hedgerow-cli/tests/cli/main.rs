//! The command as its users run it: the real program, real files, a real server of the project's own.

mod audit;
mod baseline;
mod better_auth;
mod clients;
mod commands;
mod dev;
mod examples;
mod kill;
mod killed_migration;
mod killed_serve;
mod leaving;
mod migrate;
mod node;
mod production;
mod project;
mod promotion;
mod rollout;
mod sign_in;
mod streams;
mod users;

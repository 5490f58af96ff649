//! The objects that the seeds' own clients read, made of the protocol's types: plain functions,
//! shared by the REST facade and the Socket.IO edge so that both show the same thing.

pub mod clinic;

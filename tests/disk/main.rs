//! Disks that fail under the real server: full, read-only, broken; and files that were damaged.
//!
//! Each disk is a file system in a mount namespace of its own, which a process that waits keeps
//! alive while servers come and go. That takes Linux, and root or user namespaces.
#![cfg(target_os = "linux")]

mod broken;
mod damaged;
mod full;
mod place;
mod talk;

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test)
}

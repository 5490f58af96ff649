//! Counters of the SFU.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $count:ident;)*) => {
        /// What the SFU has done since it was started.
        #[derive(Debug, Default)]
        pub struct Stats {
            pub(super) calls: AtomicUsize,
            pub(super) peers: AtomicUsize,
            $($name: AtomicU64,)*
        }

        impl Stats {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> u64 {
                    self.$name.load(Relaxed)
                }

                pub(super) fn $count(&self) {
                    self.$name.fetch_add(1, Relaxed);
                }
            )*
        }
    };
}

counters! {
    /// Packets passed on, each counted for each receiver.
    forwarded_packets: forwarded;
    /// Packets that a receiver's connection had no room for.
    dropped_packets: dropped;
    /// Datagrams of nobody: no connection's address and no request that proves to be one's.
    unknown_datagrams: unknown;
    /// Datagrams that a connection did not read in time.
    overflowed_datagrams: overflowed;
    /// Datagrams that the socket did not take.
    unsent_datagrams: unsent;
    /// Pictures asked for anew of those who send them.
    key_frames_asked: key_frame_asked;
    /// Connections made.
    peers_made: peer_made;
    /// Connections that were lost: no way through the network, no answer, or a bug.
    peers_failed: peer_failed;
    /// Panics that were caught, each of which cost a connection or a call.
    panics: panicked;
}

impl Stats {
    /// Calls that are open.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    /// Connections that are there.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers.load(Relaxed)
    }
}

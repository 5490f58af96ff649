//! Which layer of a picture is passed on when a client sends several: one, the same to all. To give
//! each receiver the layer that fits them takes a forwarder that changes layers; this is its place.

use std::{collections::HashMap, time::Duration};

/// The best choice first: what most windows show, and most networks carry.
const CHOICE: [&str; 3] = ["h", "f", "q"];
/// A layer that nothing comes of for so long is not sent any more: clients leave out what they have
/// no room for.
const SILENT: Duration = Duration::from_secs(1);
/// A better one has to have been there for so long.
const STEADY: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct Layers {
    seen: HashMap<u32, Seen>,
    chosen: Option<u32>,
}

#[derive(Debug)]
struct Seen {
    rank: usize,
    /// Since when it comes without a pause, and when it came last.
    since: Option<Duration>,
    last: Duration,
}

impl Layers {
    pub(super) fn opened(&mut self, ssrc: u32, layer: &str) {
        if let Some(rank) = CHOICE.iter().position(|choice| *choice == layer) {
            self.seen.entry(ssrc).or_insert(Seen {
                rank,
                since: None,
                last: Duration::ZERO,
            });
        }
    }

    /// Whether a packet of this stream is passed on. All are where there are no layers.
    pub(super) fn passes(&mut self, ssrc: u32, now: Duration) -> bool {
        if self.seen.is_empty() {
            return true;
        }
        let Some(seen) = self.seen.get_mut(&ssrc) else {
            return false;
        };
        if now > seen.last + SILENT {
            seen.since = None;
        }
        let since = *seen.since.get_or_insert(now);
        seen.last = now;
        let rank = seen.rank;
        let chosen = self.chosen.and_then(|chosen| self.seen.get(&chosen));
        let better = match chosen {
            None => true,
            Some(chosen) => {
                now > chosen.last + SILENT || rank < chosen.rank && now >= since + STEADY
            }
        };
        if better {
            self.chosen = Some(ssrc);
        }
        self.chosen == Some(ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn layers() -> Layers {
        let mut layers = Layers::default();
        for (ssrc, layer) in [(1, "q"), (2, "h"), (3, "f")] {
            layers.opened(ssrc, layer);
        }
        layers
    }

    #[test]
    fn a_picture_without_layers_passes() {
        assert!(Layers::default().passes(9, at(0)));
    }

    #[test]
    fn one_layer_passes_and_a_better_one_once_it_is_steady() {
        let mut layers = layers();
        for ms in (0..3_000).step_by(50) {
            assert!(layers.passes(1, at(ms)));
            assert!(!layers.passes(2, at(ms + 10)), "{ms}");
        }
        assert!(layers.passes(2, at(3_010)));
        assert!(!layers.passes(1, at(3_020)));
        assert!(!layers.passes(9, at(3_030)), "no layer that is known");
    }

    #[test]
    fn a_layer_that_ends_gives_way_to_what_comes() {
        let mut layers = layers();
        assert!(layers.passes(2, at(0)));
        assert!(!layers.passes(1, at(900)));
        assert!(layers.passes(1, at(1_100)));
        assert!(!layers.passes(2, at(1_200)), "a pause begins it anew");
    }
}

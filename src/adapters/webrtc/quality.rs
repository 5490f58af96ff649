//! From what reports say to how well somebody is reached. Pure.

use bedside_actors::ports::media::Quality;
use std::time::Duration;

/// What was seen of a connection over a few seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    pub(super) up: Loss,
    pub(super) down: Loss,
    pub(super) round_trip_ms: Option<u32>,
    pub(super) bytes_up: u64,
    pub(super) bytes_down: u64,
}

/// Loss as reports tell it. Each counts the same, whichever stream it is of: a voice of few
/// packets matters as much as a picture of many.
#[derive(Clone, Debug, Default)]
pub(super) struct Loss {
    sum: f32,
    reports: u32,
}

impl Loss {
    /// Takes a report's fraction, in 256ths.
    pub(super) fn add(&mut self, fraction: u8) {
        self.sum += f32::from(fraction) / 256.0;
        self.reports += 1;
    }

    fn mean(&self) -> f32 {
        if self.reports == 0 {
            0.0
        } else {
            self.sum / self.reports as f32
        }
    }
}

impl Window {
    /// How well somebody is reached, as seen for so long.
    pub(super) fn quality(&self, over: Duration) -> Quality {
        let kbps = |bytes: u64| {
            let ms = over.as_millis().max(1);
            u32::try_from(u128::from(bytes) * 8 / ms).unwrap_or(u32::MAX)
        };
        Quality {
            loss_up: self.up.mean(),
            loss_down: self.down.mean(),
            round_trip_ms: self.round_trip_ms,
            kbps_up: kbps(self.bytes_up),
            kbps_down: kbps(self.bytes_down),
        }
    }
}

/// The way there and back by a report (RFC 3550, 6.4.1): now, when the report that it answers was
/// sent, and how long the other side kept it, in 65,536ths of a second. None when nothing was
/// answered, or when a client makes it up.
pub(super) fn round_trip_ms(now: u32, sent: u32, kept: u32) -> Option<u32> {
    const PLAUSIBLE: u32 = 10 << 16;
    let passed = now.wrapping_sub(sent).wrapping_sub(kept);
    (sent != 0 && passed < PLAUSIBLE).then(|| (u64::from(passed) * 1_000 / 65_536) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_averaged() {
        let mut window = Window {
            bytes_up: 375_000,
            round_trip_ms: Some(40),
            ..Window::default()
        };
        window.up.add(0);
        window.up.add(64);
        let quality = window.quality(Duration::from_secs(3));
        assert_eq!(quality.loss_up, 0.125);
        assert_eq!(quality.loss_down, 0.0);
        assert_eq!((quality.kbps_up, quality.kbps_down), (1_000, 0));
        assert_eq!(quality.round_trip_ms, Some(40));
    }

    #[test]
    fn the_way_is_what_was_not_kept() {
        let now = 0x0001_0000;
        assert_eq!(round_trip_ms(now, 0xffff_8000, 0x4000), Some(1_250));
        assert_eq!(round_trip_ms(now, 0, 0), None, "nothing was answered");
        assert_eq!(round_trip_ms(now, 0x7000_0000, 0), None, "made up");
        assert_eq!(round_trip_ms(now, 0x0000_ffff, 2), None, "kept too long");
    }
}

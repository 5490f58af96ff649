//! How well a participant is reached.

/// How well a participant is reached, over the last few seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Of what they sent, the part that did not arrive the first time, 0..=1.
    pub loss_up: f32,
    /// Of what was sent to them, the part that did not arrive the first time, 0..=1.
    pub loss_down: f32,
    /// To them and back, milliseconds; none when they have not said.
    pub round_trip_ms: Option<u32>,
    /// What they sent, kilobits a second.
    pub kbps_up: u32,
    /// What was sent to them, kilobits a second.
    pub kbps_down: u32,
}

/// A [`Quality`] in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rating {
    /// Words are lost.
    Poor,
    /// It can be noticed.
    Fair,
    /// As if in one room.
    Good,
}

impl Quality {
    /// In a word.
    ///
    /// Lost packets are asked for again, so that a few percent cost time only; from a tenth on
    /// pictures stand still, and above 400 ms people speak at the same time.
    #[must_use]
    pub fn rating(&self) -> Rating {
        let loss = self.loss_up.max(self.loss_down);
        let round_trip_ms = self.round_trip_ms.unwrap_or(0);
        if loss >= 0.10 || round_trip_ms >= 400 {
            Rating::Poor
        } else if loss >= 0.03 || round_trip_ms >= 200 {
            Rating::Fair
        } else {
            Rating::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_direction_decides() {
        let up = Quality {
            loss_up: 0.12,
            ..Quality::default()
        };
        let down = Quality {
            loss_down: 0.04,
            round_trip_ms: Some(30),
            ..Quality::default()
        };
        assert_eq!(up.rating(), Rating::Poor);
        assert_eq!(down.rating(), Rating::Fair);
        assert_eq!(Quality::default().rating(), Rating::Good);
    }

    #[test]
    fn a_long_way_is_noticed_without_loss() {
        let far = |round_trip_ms| Quality {
            round_trip_ms: Some(round_trip_ms),
            ..Quality::default()
        };
        assert_eq!(far(199).rating(), Rating::Good);
        assert_eq!(far(200).rating(), Rating::Fair);
        assert_eq!(far(400).rating(), Rating::Poor);
    }
}

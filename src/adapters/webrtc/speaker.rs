//! Who is heard most. Pure.

use bedside_protocol::ParticipantId;
use std::{collections::HashMap, time::Duration};

/// Below this, of 127, it is breath and fans.
const HEARD: f32 = 127.0 - 55.0;
/// So much louder takes the floor.
const LOUDER_BY: f32 = 6.0;
/// Who has the floor keeps it over pauses this long.
const PAUSE: Duration = Duration::from_millis(1_500);
/// Weight of the newest observation.
const NEWEST: f32 = 0.4;

/// Decides who speaks from levels that are told several times a second.
#[derive(Debug, Default)]
pub(super) struct Speaker {
    levels: HashMap<ParticipantId, f32>,
    floor: Option<(ParticipantId, Duration)>,
}

impl Speaker {
    /// Takes how loud everybody is, 0..=127, and says who speaks from now on when that is
    /// somebody else than before.
    pub(super) fn hear(
        &mut self,
        now: Duration,
        levels: impl IntoIterator<Item = (ParticipantId, u8)>,
    ) -> Option<Option<ParticipantId>> {
        let before = self.floor.map(|(who, _)| who);
        let mut smoothed = HashMap::new();
        for (who, level) in levels {
            let old = self.levels.get(&who).copied().unwrap_or(0.0);
            smoothed.insert(who, old + NEWEST * (f32::from(level) - old));
        }
        self.levels = smoothed;
        let loudest = self
            .levels
            .iter()
            .filter(|(_, level)| **level >= HEARD)
            .max_by(|a, b| a.1.total_cmp(b.1).then_with(|| b.0.cmp(a.0)))
            .map(|(who, level)| (*who, *level));
        self.floor = match (self.floor, loudest) {
            (Some((who, _)), Some((other, level))) => {
                let own = self.levels.get(&who).copied().unwrap_or(0.0);
                let taken = other != who && (own < HEARD || level >= own + LOUDER_BY);
                Some((if taken { other } else { who }, now))
            }
            (Some((who, since)), None) if now < since + PAUSE && self.levels.contains_key(&who) => {
                Some((who, since))
            }
            (_, loudest) => loudest.map(|(who, _)| (who, now)),
        };
        let after = self.floor.map(|(who, _)| who);
        (before != after).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Room {
        speaker: Speaker,
        now: Duration,
        people: [ParticipantId; 2],
    }

    impl Room {
        fn new() -> Self {
            Self {
                speaker: Speaker::default(),
                now: Duration::ZERO,
                people: [ParticipantId::new(), ParticipantId::new()],
            }
        }

        /// What is told while both are this loud for a while.
        fn hear(&mut self, levels: [u8; 2], for_ms: u64) -> Vec<Option<ParticipantId>> {
            let mut told = Vec::new();
            for _ in 0..for_ms / 250 {
                self.now += Duration::from_millis(250);
                let levels = self.people.into_iter().zip(levels);
                told.extend(self.speaker.hear(self.now, levels));
            }
            told
        }
    }

    #[test]
    fn who_speaks_is_told_once_and_silence_after_a_pause() {
        let mut room = Room::new();
        let [a, _] = room.people;
        assert_eq!(room.hear([110, 20], 3_000), [Some(a)]);
        assert_eq!(room.hear([20, 20], 1_000), []);
        assert_eq!(room.hear([20, 20], 3_000), [None]);
    }

    #[test]
    fn a_pause_does_not_give_the_floor_away_and_another_voice_takes_it() {
        let mut room = Room::new();
        let [a, b] = room.people;
        assert_eq!(room.hear([110, 20], 2_000), [Some(a)]);
        assert_eq!(room.hear([108, 110], 2_000), [], "both at once");
        assert_eq!(room.hear([20, 110], 3_000), [Some(b)]);
    }

    #[test]
    fn who_left_does_not_speak() {
        let mut room = Room::new();
        room.hear([110, 20], 2_000);
        let now = room.now + Duration::from_millis(250);
        assert_eq!(room.speaker.hear(now, []), Some(None));
    }
}

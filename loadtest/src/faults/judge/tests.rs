//! The judge finds what is wrong in histories that were tampered with, and nothing in a good
//! one.

use super::*;
use crate::{faults::memory::Way, peer};
use bedside_protocol::{MessageId, Timestamp, reply::MessageSent};

/// Two devices, one conversation; each said two things, all of it is acknowledged and seen.
struct Case {
    id: ConversationId,
    log: Log,
    devices: [Memory; 2],
}

fn message_id(seq: u64) -> MessageId {
    let text = format!("0193a6f0-5b1e-7c00-8000-{seq:012}");
    serde_json::from_value(serde_json::Value::String(text)).expect("an id")
}

impl Case {
    fn good() -> Self {
        let id = "0193a6f0-5b1e-7c00-8000-000000000001".parse();
        let id: ConversationId = id.expect("an id");
        let mut devices = [0, 1].map(|n| Memory::new(n, format!("user-{n}"), &[id], 7));
        let mut log = vec![(1, Entry::Other)];
        for device in &mut devices {
            device.place(id, 1, Entry::Other, Way::Event);
        }
        for seq in 2..=5 {
            let [one, other] = &mut devices;
            let (sender, reader) = if seq % 2 == 0 {
                (one, other)
            } else {
                (other, one)
            };
            let name = sender.send_to(id);
            let entry = Entry::Message {
                name,
                message_id: message_id(seq),
            };
            log.push((seq, entry));
            sender.on_ack(name, &ack(id, seq));
            reader.place(id, seq, entry, Way::Event);
        }
        Self { id, log, devices }
    }

    fn judge(&self) -> Verdict {
        let logs = HashMap::from([(self.id, self.log.clone())]);
        judge(&logs, &[&self.devices[0], &self.devices[1]])
    }

    fn judge_view(&self, view: View, before: u64) -> Verdict {
        let logs = HashMap::from([(self.id, self.log.clone())]);
        let mut before = HashMap::from([((view.device, self.id), before)]);
        let mut verdict = Verdict::default();
        let memories = [&self.devices[0], &self.devices[1]];
        judge_views(&logs, &memories, &[view], &mut before, &mut verdict);
        verdict
    }

    fn view(&self, read_up_to_seq: u64, unread_count: u64) -> View {
        View {
            device: 0,
            id: self.id,
            head_seq: 5,
            read_up_to_seq,
            unread_count,
        }
    }
}

fn ack(id: ConversationId, seq: u64) -> MessageSent {
    MessageSent {
        conversation_id: id,
        message_id: message_id(seq),
        seq,
        created_at: Timestamp::default(),
        duplicate: false,
    }
}

#[test]
fn a_good_history_is_good() {
    let verdict = Case::good().judge();
    assert!(verdict.is_good(), "{verdict:?}");
}

#[test]
fn an_acknowledged_message_that_is_not_stored_is_lost() {
    let mut case = Case::good();
    case.log.pop();
    let verdict = case.judge();
    assert_eq!(verdict.lost, 1, "{verdict:?}");
    assert_eq!(verdict.out_of_order, 2, "both saw what is not there");
}

#[test]
fn a_stored_message_that_a_member_did_not_see_is_lost_to_them() {
    let mut case = Case::good();
    let name = case.devices[0].send_to(case.id);
    let entry = Entry::Message {
        name,
        message_id: message_id(6),
    };
    case.devices[0].on_ack(name, &ack(case.id, 6));
    case.log.push((6, entry));
    let verdict = case.judge();
    assert_eq!((verdict.lost, verdict.out_of_order), (1, 0), "{verdict:?}");
}

#[test]
fn a_message_that_is_stored_twice_is_found() {
    let mut case = Case::good();
    let (_, twice) = case.log[1];
    case.log.push((6, twice));
    for device in &mut case.devices {
        device.place(case.id, 6, twice, Way::Event);
    }
    let verdict = case.judge();
    assert_eq!(verdict.duplicated, 1, "{verdict:?}");
    assert_eq!(verdict.lost, 0, "{verdict:?}");
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    let mut case = Case::good();
    let entry = Entry::Message {
        name: 1,
        message_id: message_id(6),
    };
    case.log.push((6, entry));
    assert_eq!(case.judge().duplicated, 1);
}

#[test]
fn a_gap_in_the_log_is_found() {
    let mut case = Case::good();
    case.log.remove(2);
    let verdict = case.judge();
    assert!(verdict.out_of_order > 0 && verdict.lost == 1, "{verdict:?}");
}

#[test]
fn another_order_than_was_acknowledged_is_found() {
    let mut case = Case::good();
    let (first, second) = (case.log[1].1, case.log[2].1);
    case.log[1].1 = second;
    case.log[2].1 = first;
    let verdict = case.judge();
    assert!(
        verdict.out_of_order >= 2 && verdict.lost == 0,
        "{verdict:?}"
    );
}

fn by_other(name: u64, seq: u64) -> Entry {
    let message_id = message_id(seq);
    Entry::Message { name, message_id }
}

#[test]
fn an_event_past_a_hole_is_found_when_it_is_filled() {
    let mut case = Case::good();
    let device = &mut case.devices[0];
    let to_page = device.place(case.id, 8, by_other(1, 8), Way::Event);
    assert_eq!(to_page, Some(case.id), "it is to be healed");
    assert_eq!(device.counts.holes, 0, "perhaps they are its own");
    device.place(case.id, 6, by_other(2, 6), Way::Page);
    device.place(case.id, 7, by_other(3, 7), Way::Page);
    assert_eq!(device.counts.holes, 2);
    assert!(case.judge().out_of_order >= 2);
}

#[test]
fn an_own_acknowledgement_may_be_early_or_late() {
    let mut case = Case::good();
    let device = &mut case.devices[0];
    let early = device.send_to(case.id);
    device.on_ack(early, &ack(case.id, 7));
    device.place(case.id, 6, by_other(1, 6), Way::Event);
    assert_eq!(device.position(case.id), 7);
    let late = device.send_to(case.id);
    device.place(case.id, 9, by_other(2, 9), Way::Event);
    device.on_ack(late, &ack(case.id, 8));
    assert_eq!(device.position(case.id), 9);
    assert_eq!((device.counts.holes, device.counts.late_acks), (0, 1));
}

#[test]
fn what_comes_before_the_replay_is_early_by_right_but_the_replay_has_to_reach_it() {
    let mut case = Case::good();
    let device = &mut case.devices[0];
    device.on_new_socket();
    device.place(case.id, 8, by_other(1, 8), Way::Event);
    assert_eq!(device.on_resumed(), [case.id], "6 and 7 were not replayed");
    device.place(case.id, 6, by_other(2, 6), Way::Page);
    device.place(case.id, 7, by_other(3, 7), Way::Page);
    assert_eq!(device.counts.holes, 2);
}

#[test]
fn an_acknowledgement_that_changes_is_found() {
    let mut case = Case::good();
    let Entry::Message { name, .. } = case.log[1].1 else {
        panic!("a message");
    };
    let mut second = ack(case.id, 3);
    second.duplicate = true;
    case.devices[0].on_ack(name, &second);
    let verdict = case.judge();
    assert!(verdict.other > 0, "{verdict:?}");
}

#[test]
fn the_same_send_taken_as_new_twice_is_found() {
    let mut case = Case::good();
    let Entry::Message { name, .. } = case.log[1].1 else {
        panic!("a message");
    };
    case.devices[0].on_ack(name, &ack(case.id, 2));
    assert_eq!(case.judge().other, 1);
}

#[test]
fn a_send_that_stays_open_is_found() {
    let mut case = Case::good();
    case.devices[1].send_to(case.id);
    assert_eq!(case.judge().unanswered, 1);
}

#[test]
fn another_text_is_found() {
    let mut case = Case::good();
    let name = case.devices[0].send_to(case.id);
    let message = serde_json::json!({
        "message_id": message_id(6), "sender_id": "user-0", "type": "text",
        "client_msg_id": peer::name_of(name), "text": "not what was sent",
        "created_at": "2026-11-21T09:30:00.125Z",
    });
    let event = serde_json::json!({
        "type": "message.created", "conversation_id": case.id, "seq": 6, "data": message,
    });
    let frame = bedside_protocol::codec::decode_server_frame(
        bedside_protocol::WireFormat::Json,
        event.to_string().as_bytes(),
    );
    let Ok(bedside_protocol::ServerFrame::Event(frame)) = frame else {
        panic!("an event: {frame:?}");
    };
    case.devices[1].on_event(frame);
    assert_eq!(case.judge().other, 1);
}

#[test]
fn receipts_below_what_was_acknowledged_or_stored_before_are_found() {
    let mut case = Case::good();
    // Of seq 2..=5 the odd ones are by the other.
    assert!(case.judge_view(case.view(2, 2), 2).is_good());
    assert_eq!(case.judge_view(case.view(2, 2), 3).receipts, 1);
    case.devices[0].read.insert(case.id, 4);
    assert_eq!(case.judge_view(case.view(2, 2), 0).receipts, 1);
}

#[test]
fn a_wrong_unread_count_or_head_is_found() {
    let case = Case::good();
    assert!(case.judge_view(case.view(0, 2), 0).is_good());
    assert_eq!(case.judge_view(case.view(0, 3), 0).unread, 1);
    let mut view = case.view(0, 2);
    view.head_seq = 4;
    assert_eq!(case.judge_view(view, 0).unread, 1);
}

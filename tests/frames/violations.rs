use super::*;

/// One input for each.
fn all() -> Vec<Violation> {
    [
        frame(0xc1, ""),
        frame(0x83, ""),
        frame(0x09, ""),
        last(""),
        [text_start(""), text("")].concat(),
        vec![0x81, 0],
        ping(fes(126)),
        vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
        vec![0x81, 0xfe, 0, 0],
        close([3]),
        close_with(1006, ""),
        text([0xff]),
        text("four"),
    ]
    .iter()
    .map(|input| {
        let mut parser = Parser::new(3);
        let mut input = input.clone();
        let skip = match parser.next(&mut input) {
            Ok(Parsed::Fragment { consumed }) => consumed,
            Err(violation) => return violation,
            other => panic!("{other:?}"),
        };
        parser
            .next(&mut input[skip..])
            .expect_err("wrong in its second frame")
    })
    .collect()
}

#[test]
fn reasons_differ() {
    let all = all();
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a.reason != b.reason), "{a}");
    }
}

#[test]
fn reasons_fit_in_a_close_frame() {
    for violation in all() {
        assert!(violation.reason.is_ascii());
        let payload = close_payload(violation.close_code, violation.reason);
        assert_eq!(payload[2..], *violation.reason.as_bytes());
    }
}

#[test]
fn display_and_error() {
    let violation = Parser::new(1).next(&mut [0x81, 0]).expect_err("no mask");
    let error: Box<dyn std::error::Error> = Box::new(violation);
    assert_eq!(error.to_string(), "frame without a mask (1002)");
}

#[test]
fn nothing_is_read_after_one() {
    let mut parser = Parser::new(LIMIT);
    let violation = parser.next(&mut text([0xff])).expect_err("not UTF-8");
    let mut good = text("good");
    assert_eq!(parser.next(&mut good), Err(violation));
    assert_eq!(good, text("good"), "left as it was");
    assert_eq!(parser.next(&mut []), Err(violation));
}

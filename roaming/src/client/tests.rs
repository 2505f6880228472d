//! Values only: the calls themselves are tested over sockets.

use super::*;

#[test]
fn what_a_failure_means() {
    let refused = |http, status_code| CallError::Refused {
        http,
        status_code,
        message: String::new(),
        retry_after: Some(Duration::from_secs(7)),
    };
    let unreadable = |http| CallError::Unreadable { http, detail: String::new() };
    for (error, expect) in [
        (CallError::Unreachable(String::new()), Verdict::Away(None)),
        (CallError::TooSlow, Verdict::Stumbles),
        (CallError::Broken(String::new()), Verdict::Stumbles),
        (refused(429, None), Verdict::Away(Some(Duration::from_secs(7)))),
        (refused(503, Some(3_000)), Verdict::Away(Some(Duration::from_secs(7)))),
        (refused(401, Some(2_000)), Verdict::Away(None)),
        (refused(403, None), Verdict::Stumbles),
        (refused(408, None), Verdict::Stumbles),
        (refused(500, None), Verdict::Stumbles),
        (refused(502, None), Verdict::Stumbles),
        (refused(200, Some(3_000)), Verdict::Stumbles),
        (refused(200, Some(2_001)), Verdict::Never),
        (refused(400, Some(2_001)), Verdict::Never),
        (refused(422, None), Verdict::Never),
        (unreadable(200), Verdict::Stumbles),
    ] {
        assert_eq!(error.verdict(), expect, "{error}");
    }
    assert!(refused(404, None).is_absent() && refused(200, Some(2_003)).is_absent());
    assert!(!refused(200, Some(2_001)).is_absent());
    assert!(refused(401, None).is_unauthorized() && !refused(400, None).is_unauthorized());
}

#[test]
fn the_next_page_is_found_in_a_link() {
    for (link, expect) in [
        (r#"<https://e.example/x?offset=1>; rel="next""#, Some("https://e.example/x?offset=1")),
        (r"<https://e.example/x>; rel=next", Some("https://e.example/x")),
        (
            r#"<https://e.example/a>; rel="prev", <https://e.example/b>; rel="next""#,
            Some("https://e.example/b"),
        ),
        (r#"<https://e.example/a>; rel="prev""#, None),
        ("nonsense", None),
    ] {
        assert_eq!(next_of(link).as_deref(), expect, "{link}");
    }
}

#[test]
fn a_partner_is_left_alone_as_long_as_it_asks_but_not_for_ever() {
    let wait = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    };
    assert_eq!(wait("120"), Some(Duration::from_secs(120)));
    assert_eq!(wait("999999"), Some(RETRY_AFTER_MAX));
    assert_eq!(wait("Wed, 21 Oct 2065 07:28:00 GMT"), Some(RETRY_AFTER_MAX));
    assert_eq!((wait("Wed, 21 Oct 2015 07:28:00 GMT"), wait("soon")), (None, None));
}

#[test]
fn tokens_of_credentials_are_not_written_down() {
    let token = PeerToken::new("OUR-SECRET-TOKEN");
    let secrets = Secrets::of(&token, None);
    let masked = |body: &str| secrets.masked(body.as_bytes()).into_string();
    assert_eq!(masked(r#"{"token":"SECRET","url":"https://x"}"#), r#"{"token":"***","url":"https://x"}"#);
    for answer in [
        r#"{"data":{"token":"SECRET"}}"#,
        r#"{"data":[{"token":"SECRET"}]}"#,
        r#"{"data":{"Credentials":[{"Token":"SECRET"}]}}"#,
        // What a partner answers is no JSON where it breaks off.
        r#"{"status_code":1000,"data":{"token":"SECRET","#,
        "<html>Authorization: Token SECRET</html>",
    ] {
        assert!(!masked(answer).contains("SECRET"), "{answer}");
    }
    // What we show may come back in any place and form.
    let encoded = STANDARD.encode(token.reveal());
    for answer in
        [r#"{"status_message":"who is OUR-SECRET-TOKEN?"}"#, format!("nobody knows {encoded}").as_str()]
    {
        let kept = masked(answer);
        assert!(!kept.contains("SECRET") && !kept.contains(&encoded) && kept.contains("***"), "{kept}");
    }
    // And so may what we give.
    let given = Secrets::of(&token, Some(br#"{"token":"GIVEN-SECRET","url":"https://x"}"#));
    for answer in ["GIVEN-SECRET is no token", r#"{"input":"{\"token\":\"GIVEN-SECRET\"}"}"#] {
        assert!(!given.hidden(answer).contains("GIVEN"), "{answer}");
        assert!(!given.masked(answer.as_bytes()).contains("GIVEN"), "{answer}");
    }
    assert!(masked(r#"{"token":{"uid":"D1"}}"#).contains("D1"), "a driver's token is no secret");
    assert_eq!(masked("<html>503</html>"), "<html>503</html>");
    assert_eq!(masked(&"x".repeat(9_000)).len(), 2_000);
    assert_eq!(masked(&"x".repeat(70_000)), "70000 bytes");
}

use super::*;

const V1: Version = Version::V1;
const NOW: Duration = Duration::from_secs(1_000_000);
const LATER_ON: Duration = Duration::from_secs(1_000_001);

fn remote(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

fn id(value: u8) -> ConnectionId {
    ConnectionId::new(&[value; 8]).unwrap()
}

fn tokens() -> Tokens {
    Tokens::new(&[1; 32], NOW).unwrap()
}

#[test]
fn a_retry_token_is_good_for_its_attempt_alone_as_often_as_it_is_shown() {
    let mut tokens = tokens();
    let original = ConnectionId::new(&[9; 20]).unwrap();
    let token = tokens
        .retry(remote(1, 5), (V1, &original, &id(2)), NOW)
        .unwrap();
    let good = Shown::Retried(original);
    let past = NOW + limits::RETRY_TIME;
    let rows = [
        ("good", remote(1, 5), id(2), NOW, &good),
        ("again", remote(1, 5), id(2), NOW, &good),
        ("at the limit", remote(1, 5), id(2), past, &good),
        (
            "expired",
            remote(1, 5),
            id(2),
            past + Duration::from_millis(1),
            &Shown::BadRetry,
        ),
        (
            "of the future",
            remote(1, 5),
            id(2),
            NOW - Duration::from_secs(1),
            &Shown::BadRetry,
        ),
        ("other address", remote(2, 5), id(2), NOW, &Shown::BadRetry),
        ("other port", remote(1, 6), id(2), NOW, &Shown::BadRetry),
        ("other id", remote(1, 5), id(3), NOW, &Shown::BadRetry),
    ];
    let turned = tokens.check(&token, remote(1, 5), (Version::V2, &id(2)), NOW);
    assert_eq!(turned, Shown::OtherVersion, "in another version");
    for (name, from, dcid, now, want) in rows {
        assert_eq!(
            tokens.check(&token, from, (V1, &dcid), now),
            *want,
            "{name}"
        );
    }
}

#[test]
fn a_later_token_is_good_once_from_its_address_for_days() {
    let end = LATER_ON + limits::TOKEN_TIME;
    let rows = [
        ("good", 1, LATER_ON, Shown::Address),
        ("at the limit", 1, end, Shown::Address),
        ("expired", 1, end + Duration::from_millis(1), Shown::Nothing),
        ("other address", 2, LATER_ON, Shown::Nothing),
    ];
    for (name, from, now, want) in rows {
        let mut tokens = tokens();
        let token = tokens.later(remote(1, 5).ip(), V1, LATER_ON).unwrap();
        let turned = tokens.check(&token, remote(from, 77), (Version::V2, &id(8)), now);
        assert_eq!(turned, Shown::Nothing, "{name}: in another version");
        let shown = tokens.check(&token, remote(from, 77), (V1, &id(8)), now);
        assert_eq!(shown, want, "{name}");
        let again = tokens.check(&token, remote(from, 77), (V1, &id(8)), now);
        assert_eq!(again, Shown::Nothing, "{name} again");
    }
    let six = IpAddr::from([5_u16; 8]);
    let mut tokens = tokens();
    let token = tokens.later(six, V1, LATER_ON).unwrap();
    let shown = tokens.check(&token, SocketAddr::new(six, 1), (V1, &id(8)), LATER_ON);
    assert_eq!(shown, Shown::Address);
}

#[test]
fn nothing_but_what_was_sealed_opens() {
    let mut tokens = tokens();
    let from = remote(1, 5);
    for token in [
        tokens.retry(from, (V1, &id(1), &id(2)), LATER_ON).unwrap(),
        tokens.later(from.ip(), V1, LATER_ON).unwrap(),
    ] {
        for at in 0..token.len() {
            let mut changed = token.to_vec();
            changed[at] ^= 1;
            let shown = tokens.check(&changed, from, (V1, &id(2)), LATER_ON);
            assert_eq!(shown, Shown::Nothing, "byte {at}");
            let shown = tokens.check(&token[..at], from, (V1, &id(2)), LATER_ON);
            assert_eq!(shown, Shown::Nothing, "{at} bytes");
        }
        let longer = [&token[..], &[0; 2000]].concat();
        assert_eq!(
            tokens.check(&longer, from, (V1, &id(2)), LATER_ON),
            Shown::Nothing
        );
        let mut stranger = Tokens::new(&[2; 32], NOW).unwrap();
        assert_eq!(
            stranger.check(&token, from, (V1, &id(2)), LATER_ON),
            Shown::Nothing
        );
        assert_ne!(
            tokens.check(&token, from, (V1, &id(2)), LATER_ON),
            Shown::Nothing
        );
    }
}

#[test]
fn used_tokens_are_remembered_exactly_and_bounded() {
    let mut tokens = tokens();
    let from = remote(1, 5);
    let unused = tokens.later(from.ip(), V1, LATER_ON).unwrap();
    let mut first = Bytes::new();
    for number in 0..limits::USED_TOKENS {
        let token = tokens.later(from.ip(), V1, LATER_ON).unwrap();
        assert_eq!(
            tokens.check(&token, from, (V1, &id(1)), LATER_ON),
            Shown::Address,
            "{number}"
        );
        if number == 0 {
            first = token;
        }
        assert!(tokens.used.len() < limits::USED_TOKENS);
    }
    // One past: the old ones are good no more, used or not, and new ones are.
    for old in [first, unused] {
        assert_eq!(
            tokens.check(&old, from, (V1, &id(1)), LATER_ON),
            Shown::Nothing
        );
    }
    let now = LATER_ON + Duration::from_millis(1);
    let new = tokens.later(from.ip(), V1, now).unwrap();
    assert_eq!(tokens.check(&new, from, (V1, &id(1)), now), Shown::Address);
    // What was issued before the server began may have been used then.
    let before = tokens.later(from.ip(), V1, NOW).unwrap();
    let mut restarted = Tokens::new(&[1; 32], LATER_ON).unwrap();
    assert_eq!(
        restarted.check(&before, from, (V1, &id(1)), now),
        Shown::Nothing
    );
}

/// Past the AEAD, as a server of another version may have sealed it; and before it, where a changed token is worth nothing.
#[test]
fn fuzz_content() {
    // Keys are made and a token is sealed once, not for each input: what is refused leaves nothing behind.
    let mut tokens = tokens();
    let sealed = tokens.later(remote(1, 5).ip(), V1, LATER_ON).unwrap();
    bolero::check!()
        .with_iterations(5000)
        .for_each(|bytes: &[u8]| {
            let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
            for bytes in [bytes, &[&[1, 4][..], rest].concat()] {
                if let Ok(content) = Content::read(bytes) {
                    let ids = content.retry.map(|(_, one, two)| one.len() + two.len());
                    assert!(ids.is_none_or(|length| length <= 40));
                    assert!(bytes.len() <= LONGEST - TAG_LEN);
                }
            }
            let mut changed = sealed.to_vec();
            let mut judge =
                |token: &[u8]| tokens.check(token, remote(1, 5), (V1, &id(2)), LATER_ON);
            assert_eq!(judge(bytes), Shown::Nothing);
            let place = usize::from(*first) % changed.len();
            changed[place] ^= rest.first().copied().unwrap_or(0).max(1);
            assert_eq!(judge(&changed), Shown::Nothing);
        });
}

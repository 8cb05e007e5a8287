//! `pith policy`.

use pith_tls::policy::{ALL, V2026_11, V2026_11_CNSA2, diff};

use crate::process::{check, run};

#[test]
fn policies_are_listed_shown_and_compared() {
    let list = run(&["policy", "show"], b"");
    check("list", &list, 0, &[]);
    let list = String::from_utf8(list.stdout).unwrap();
    for policy in ALL {
        assert!(
            list.contains(policy.name) && list.contains(policy.about),
            "{list}"
        );
        let shown = run(&["policy", "show", policy.name], b"");
        check(policy.name, &shown, 0, &[]);
        assert_eq!(String::from_utf8(shown.stdout).unwrap(), policy.to_string());
    }
    assert!(list.contains("not approved services"), "{list}");
    let compared = run(&["policy", "diff", "v2026_11", "V2026_11_CNSA2"], b"");
    check("diff", &compared, 0, &[]);
    let want = diff(&V2026_11, &V2026_11_CNSA2).to_string();
    assert_eq!(String::from_utf8(compared.stdout).unwrap(), want);
}

#[test]
fn an_unknown_policy_is_named_with_those_that_there_are() {
    for arguments in [
        &["policy", "show", "V2027"][..],
        &["policy", "diff", "V2026_11", "V2027"],
        &["client", "a:1", "--policy", "V2027"],
        &["server", "--listen", "127.0.0.1:0", "--policy", "V2027"],
    ] {
        let output = run(arguments, b"");
        check(
            "unknown",
            &output,
            2,
            &["name of a policy", "\"V2027\"", "V2026_11_PQ_ONLY"],
        );
        assert_eq!(output.stdout, b"");
    }
}

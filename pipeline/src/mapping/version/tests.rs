//! The order and the ranges of PEP 440.

use super::*;

#[test]
fn versions_are_in_the_order_of_the_standard() {
    let ordered = [
        "1.dev0",
        "1.0.dev456",
        "1.0a1",
        "1.0a2.dev456",
        "1.0a12.dev456",
        "1.0a12",
        "1.0b1.dev456",
        "1.0b2",
        "1.0b2.post345.dev456",
        "1.0b2.post345",
        "1.0rc1.dev456",
        "1.0rc1",
        "1.0",
        "1.0+abc.5",
        "1.0+abc.7",
        "1.0+5",
        "1.0.post456.dev34",
        "1.0.post456",
        "1.0.15",
        "1.1.dev1",
        "1!0.1",
    ];
    for (at, one) in ordered.iter().enumerate() {
        for (behind, other) in ordered.iter().enumerate() {
            let order = Version::parse(one).unwrap().cmp(&Version::parse(other).unwrap());
            assert_eq!(order, at.cmp(&behind), "{one} and {other}");
        }
    }
}

#[test]
fn other_spellings_are_the_same_version() {
    for (one, other) in [
        ("1.0", "1"),
        ("v1.0", "1.0"),
        ("1.0-ALPHA.1", "1.0a1"),
        ("1.0c1", "1.0rc1"),
        ("1.0preview", "1.0rc0"),
        ("1.0-1", "1.0.post1"),
        ("1.0-r4", "1.0.post4"),
        ("1.0_dev3", "1.0.dev3"),
        ("1.0+ubuntu-1", "1.0+ubuntu.1"),
        ("00.09.2", "0.9.2"),
    ] {
        assert_eq!(Version::parse(one).unwrap(), Version::parse(other).unwrap(), "{one}");
    }
}

#[test]
fn what_is_no_version_is_refused() {
    for text in
        ["", "x", "1.", "1..2", "1.0-", "1.0+", "1.0+a..b", "1.0rc1x", "!1", "99999999999999999999", "١"]
    {
        assert!(Version::parse(text).is_err(), "{text}");
    }
    assert!(Version::parse(&"1.".repeat(1 << 16)).is_err());
}

#[track_caller]
fn check(range: &str, inside: &[&str], outside: &[&str]) {
    let parsed = Range::parse(range).unwrap();
    for version in inside {
        assert!(parsed.contains(version), "{version} lies in {range}");
    }
    for version in outside {
        assert!(!parsed.contains(version), "{version} lies outside {range}");
    }
}

#[test]
fn ranges_hold_what_the_standard_says() {
    check(
        ">=0.9.2,<0.11",
        &["0.9.2", "0.10.1", "0.9.2+cu121", "0.9.2.post1"],
        &["0.9.1", "0.11", "0.9.2rc1"],
    );
    check("<0.11", &["0.10"], &["0.11rc1", "0.11.dev3", "0.11"]);
    check("<0.11rc2", &["0.11rc1", "0.11.dev3"], &["0.11rc2"]);
    check(">1.0", &["1.1", "1.0.1"], &["1.0", "1.0.post1", "1.0+local"]);
    check(">1.0.post1", &["1.0.post2"], &["1.0.post1"]);
    check("<=1.0", &["1.0", "1.0+local", "1.0rc1"], &["1.0.post1"]);
    check("==1.0", &["1.0", "1", "1.0.0+cu12"], &["1.0.1", "1.0.post1"]);
    check("==1.0+cu12", &["1.0+cu12"], &["1.0", "1.0+cu11"]);
    check("==0.9.*", &["0.9", "0.9.7", "0.9rc1"], &["0.10", "0.90"]);
    check("!=0.9.*", &["0.10"], &["0.9.1"]);
    check("~=0.9.2", &["0.9.2", "0.9.9"], &["0.9.1", "0.10"]);
    check("~=2.2.post3", &["2.2.post3", "2.9"], &["2.2", "3.0"]);
    check("0.9.2", &["0.9.2"], &["0.9.3"]);
    check("*", &["0.0.1", "1!2"], &["unknown", ""]);
}

#[test]
fn a_bad_range_says_what_would_do() {
    for (range, expected) in [
        ("", "such as `>=0.9.2,<0.11`, got ``"),
        (">=x", "got `>=x`"),
        (">=1,", "got ``"),
        ("=>1", "got `=>1`"),
        (">=1.*", "`.*` goes with"),
        ("==1rc1.*", "`.*` stands behind numbers"),
        ("~=1", "at least two numbers"),
        (">1+x", "a local version goes with"),
    ] {
        let message = Range::parse(range).unwrap_err().to_string();
        assert!(message.contains(expected), "`{message}` should contain `{expected}`");
    }
}

#[test]
fn what_is_left_of_other_ranges_has_no_version_of_theirs() {
    let ranges = |texts: &[&str]| texts.iter().map(|text| Range::parse(text).unwrap()).collect();
    let left = Range::parse("*").unwrap().except(ranges(&["<0.9", ">=0.11,<0.12"]));
    for (version, is_left) in
        [("0.8", false), ("0.9", true), ("0.10.2", true), ("0.11.1", false), ("0.12", true), ("main", true)]
    {
        assert_eq!(left.contains(version), is_left, "{version}");
    }
    let below = Range::parse("<0.11").unwrap().except(ranges(&["<0.9"]));
    for (version, is_below) in [("0.8", false), ("0.10", true), ("0.11", false), ("main", false)] {
        assert_eq!(below.contains(version), is_below, "{version}");
    }
}

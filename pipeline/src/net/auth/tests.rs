use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::*;

fn headers(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(value).unwrap())])
}

#[track_caller]
fn check(authenticator: &Authenticator, header: &str, expected: bool) {
    assert_eq!(authenticator.check(&headers(header)).is_ok(), expected, "{header}");
}

fn basic(users: &str) -> Authenticator {
    Authenticator::basic(Basic { client: None, users: vec![Source::text(users)] })
}

fn bearer(tokens: &[&str]) -> Authenticator {
    Authenticator::bearer(Bearer {
        tokens: tokens.iter().map(|text| Source::text(*text)).collect(),
        ..Bearer::default()
    })
}

#[test]
fn a_user_with_the_password_may_pass() {
    let authenticator = basic("# users\nana:s3cret:x\nbob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
    check(&authenticator, "Basic YW5hOnMzY3JldDp4", true); // ana:s3cret:x
    check(&authenticator, "basic YW5hOnMzY3JldDp4", true);
    check(&authenticator, "Basic Ym9iOnBhc3N3b3Jk", true); // bob:password
    check(&authenticator, "Basic Ym9iOndyb25n", false); // bob:wrong
    check(&authenticator, "Basic YW5hOnBhc3N3b3Jk", false); // ana:password
    check(&authenticator, "Basic !!!", false);
    check(&authenticator, "Bearer YW5hOnMzY3JldDp4", false);
    check(&authenticator, "Basic", false);
    let denied = authenticator.check(&HeaderMap::new()).unwrap_err();
    assert!(denied.challenge.starts_with("Basic realm="));
}

#[test]
fn a_token_may_pass() {
    let authenticator = bearer(&["first", "second\nthird"]);
    for token in ["Bearer first", "bearer second", "Bearer third"] {
        check(&authenticator, token, true);
    }
    for token in ["Bearer fourth", "Bearer ", "Bearer", "first", "Basic first", "Bearerfirst"] {
        check(&authenticator, token, false);
    }
    assert_eq!(authenticator.check(&HeaderMap::new()).unwrap_err().challenge, "Bearer");
}

#[test]
fn what_one_side_shows_the_other_takes() {
    let mut sent = HeaderMap::new();
    let client = Basic { client: Some((Source::text("ana"), Source::text("p:w"))), users: Vec::new() };
    Authenticator::basic(client).authorize(&mut sent).unwrap();
    assert!(basic("ana:p:w").check(&sent).is_ok());
    bearer(&["token"]).authorize(&mut sent).unwrap();
    assert!(bearer(&["other", "token"]).check(&sent).is_ok());
    assert!(sent[AUTHORIZATION].is_sensitive());
}

#[test]
fn a_changed_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let authenticator =
            Authenticator::bearer(Bearer { tokens: vec![Source::file(&path)], ..Bearer::default() });
        let error = authenticator.ready_to_check().unwrap_err().to_string();
        assert!(error.starts_with("cannot read `"), "{error}");
        std::fs::write(&path, "one\n").unwrap();
        check(&authenticator, "Bearer one", true);
        std::fs::write(&path, "another\n").unwrap();
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        check(&authenticator, "Bearer another", true);
        check(&authenticator, "Bearer one", false);
        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        check(&authenticator, "Bearer another", true);
    });
}

#[track_caller]
fn check_users(text: &str, expected: &str) {
    let error = Users::parse(text).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn users_that_cannot_be_checked_are_an_error() {
    check_users("ana", "line 1 of the users: expected `user:password`");
    check_users("ana:x\nbob:$2y$05$abc", "line 2 of the users: bcrypt hashes are not supported");
    check_users("ana:$apr1$abc$def", "Apache's MD5");
    check_users("ana:{SHA}x", "base64 SHA-1");
    check_users("ana:", "the password is empty");
    check_users("\n# nobody\n", "no users");
    assert!(basic("").ready_to_check().is_err());
    let client_only = Authenticator::basic(Basic { client: None, users: Vec::new() });
    assert!(client_only.ready_to_check().unwrap_err().to_string().contains("htpasswd"));
    assert!(client_only.ready_to_authorize().unwrap_err().to_string().contains("client_auth"));
}

#[test]
fn no_secret_is_printed() {
    let authenticators = [basic("ana:canary"), bearer(&["canary"])];
    for authenticator in authenticators {
        assert!(!format!("{authenticator:?}").contains("canary"));
    }
    assert!(!format!("{:?}", Users::parse("ana:canary").unwrap()).contains("canary"));
}

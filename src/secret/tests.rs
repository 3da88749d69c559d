use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::model::{
    Body, Cell, Request, Response, Row, RowChange, RowDelta, StepRecord, Table, TableId, TableKind,
    row_key,
};

/// The value without secrets.
fn hidden(secrets: &Secrets, value: &Value) -> Value {
    secrets.hidden(value).unwrap()
}

#[test]
fn a_learned_value_is_hidden_wherever_it_turns_up() {
    let secrets = Secrets::default();
    secrets.learn(&json!("p&ss word"));
    secrets.learn(&json!(123_456));
    assert_eq!(
        secrets.hide("the p&ss word is out"),
        "the [redacted] is out"
    );
    assert_eq!(
        secrets.hide("/login?pw=p%26ss%20word"),
        "/login?pw=[redacted]"
    );
    let value = hidden(
        &secrets,
        &json!({ "pin": 123_456, "code 123456": [1, "p&ss word"], "n": 1_234_567 }),
    );
    assert_eq!(
        value,
        json!({ "pin": REDACTED, "code [redacted]": [1, REDACTED], "n": 1_234_567 })
    );
}

#[test]
fn a_password_that_is_the_name_of_the_user_too_leaves_that_name_readable() {
    let secrets = Secrets::default();
    let url = "postgres://postgres:postgres@127.0.0.1/shop";
    secrets.learn_url(url);
    let shown = without_password(url);
    assert_eq!(shown, "postgres://postgres:[redacted]@127.0.0.1/shop");
    assert_eq!(secrets.hide(&shown), shown);
    secrets.learn_url("postgres://postgres:s3cret@127.0.0.1/shop");
    assert_eq!(secrets.hide("s3cret"), REDACTED);
}

#[test]
fn a_password_that_stands_openly_elsewhere_is_hidden_where_it_is_a_password() {
    for (url, password) in [
        ("postgres://app:app@127.0.0.1/db", "app"),
        ("postgres://qa:s10@127.0.0.1/s10", "s10"),
        ("postgres://qa:postgres@127.0.0.1/db", "postgres"),
        ("postgres://qa:qa@localhost:5432,127.0.0.1:5433/db", "qa"),
        ("postgres://a%40b:a%40b@127.0.0.1/db", "a%40b"),
        ("postgres://a%40b:a%40b@127.0.0.1/db", "a@b"),
        ("postgres:///shop?user=shop&password=shop", "shop"),
        ("host=127.0.0.1 user='a b' password='a b'", "a b"),
    ] {
        let secrets = Secrets::default();
        secrets.learn_url(url);
        for place in [
            "postgres://user:***@127.0.0.1/db",
            "postgres%3A%2F%2Fuser%3A***%40127.0.0.1%2Fdb",
            "postgres:///db?user=user&password=***&sslmode=disable",
            "host=127.0.0.1 PGPASSWORD=***",
            "Password = '***' host=127.0.0.1",
            r#"{"password":"***"}"#,
            r#"{\"db_password\": \"***\"}"#,
            "dsn=%3Fpassword%3D***%26sslmode%3Ddisable",
        ] {
            let text = format!("GRANT SET TO {password}; {place}");
            assert_eq!(
                secrets.hide(&text.replace("***", password)),
                text.replace("***", REDACTED),
                "{url}"
            );
        }
        for innocent in [
            format!("{password} is the owner of {password}"),
            format!("no word={password}s"),
            format!("{password}:5432@{password}"),
            format!("postgres://{password}@127.0.0.1/{password}"),
        ] {
            assert_eq!(secrets.hide(&innocent), innocent, "{url}");
        }
        let body = hidden(
            &secrets,
            &json!({ "owner": password, "password": password }),
        );
        assert_eq!(body, json!({ "owner": password, "password": REDACTED }));
    }
}

#[test]
fn a_password_that_is_learned_from_another_url_is_hidden_everywhere_from_then_on() {
    let secrets = Secrets::default();
    secrets.learn_url("postgres://shop:shop@127.0.0.1/db");
    let others = secrets.clone();
    assert_eq!(others.hide("shop:shop@"), "shop:[redacted]@");
    others.learn_url("postgres://qa:shop@127.0.0.1/db");
    assert_eq!(others.hide("shop:shop@"), "[redacted]:[redacted]@");
    assert_eq!(others.hide("shop"), REDACTED);
}

#[test]
fn passwords_in_settings_are_learned_from_nothing_but_settings() {
    let secrets = Secrets::default();
    secrets.learn_url(r"host=127.0.0.1 password = 'it\'s top secret' user=qa");
    assert_eq!(
        secrets.hide("with it's top secret of qa"),
        "with [redacted] of qa"
    );
    secrets.learn_url("SELECT id FROM users WHERE password = NULL");
    secrets.learn_url("reset_token_ttl=15 minutes");
    assert_eq!(secrets.hide("NULL"), "NULL");
    assert_eq!(secrets.hide("15"), "15");
}

#[test]
fn a_short_secret_leaves_no_holes_in_other_words() {
    let secrets = Secrets::default();
    secrets.learn(&json!("qa"));
    assert_eq!(secrets.hide("qa"), REDACTED);
    assert_eq!(secrets.hide("quality and qa"), "quality and qa");
}

#[test]
fn what_headers_let_somebody_do_is_hidden_in_bodies_too() {
    let secrets = Secrets::default();
    secrets.learn_header("Authorization", "Bearer abcdef-12345");
    secrets.learn_header("Set-Cookie", "sid=0123456789; Path=/; HttpOnly");
    secrets.learn_header("Cookie", "lang=en; sid=9876543210");
    let body = hidden(
        &secrets,
        &json!({ "token": "abcdef-12345", "lang": "en", "path": "/" }),
    );
    assert_eq!(
        body,
        json!({ "token": REDACTED, "lang": "en", "path": "/" })
    );
    assert_eq!(
        secrets.hide("0123456789 9876543210"),
        "[redacted] [redacted]"
    );
}

#[test]
fn a_named_secret_hides_headers_fields_and_columns_of_that_name() {
    let secrets = Secrets::named(["Api_Token".to_owned(), "X-Session".to_owned()]);
    for (name, value, shown) in [
        ("x-session", "s", REDACTED),
        ("Cookie", "a=b", REDACTED),
        ("Session-Token", "s", REDACTED),
        ("Accept", "text/plain", "text/plain"),
    ] {
        let header = json!({ "name": name, "value": value });
        assert_eq!(hidden(&secrets, &header)["value"], shown, "{name}");
    }
    let row = hidden(
        &secrets,
        &json!({ "id": 1, "api_token": { "a": 1 }, "x": null }),
    );
    assert_eq!(row, json!({ "id": 1, "api_token": REDACTED, "x": null }));
}

#[test]
fn the_beginning_of_a_value_is_hidden_at_the_end_of_a_text_that_was_cut_off() {
    let secrets = Secrets::default();
    secrets.learn(&json!("Pa\"ss wo/rd+1%z="));
    for (text, shown) in [
        ("p=Pa%22ss+wo%2Frd%2B1%25z...", "p=[redacted]..."),
        ("p=Pa%22ss%20wo%2...", "p=[redacted]..."),
        (r#"{"p":"Pa\"ss wo…"#, r#"{"p":"[redacted]…"#),
        ("p=Pa%22ss", "p=Pa%22ss"),
        ("at last Pa...", "at last Pa..."),
    ] {
        assert_eq!(secrets.hide(text), shown, "{text}");
    }
}

#[test]
fn a_field_that_is_added_later_cannot_leak() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Plain,
        Note(String),
        Pair(String, u64),
        Named { said: Option<String> },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Added {
        pin: u64,
        new_text: String,
        new_list: Vec<String>,
        new_map: BTreeMap<String, Value>,
        new_token: String,
        kinds: Vec<Kind>,
    }
    let secrets = Secrets::named(["pin".to_owned()]);
    secrets.learn(&json!("s3cret!"));
    secrets.learn(&json!(4711));
    let added = Added {
        pin: 4711,
        new_text: "it is s3cret!, in a URL s3cret%21".to_owned(),
        new_list: vec!["s3cret!".to_owned()],
        new_map: BTreeMap::from([
            ("s3cret!".to_owned(), json!([4711, 4712])),
            ("pin".to_owned(), json!({ "deep": 1 })),
            (
                "password".to_owned(),
                json!(["x", { "name": "api_key", "value": "y" }]),
            ),
        ]),
        new_token: "unknown".to_owned(),
        kinds: vec![
            Kind::Plain,
            Kind::Note("s3cret!".to_owned()),
            Kind::Pair("s3cret!".to_owned(), 4711),
            Kind::Named {
                said: Some("s3cret!".to_owned()),
            },
        ],
    };
    let shown = Added {
        // A number of the format itself.
        pin: 4711,
        new_text: "it is [redacted], in a URL [redacted]".to_owned(),
        new_list: vec![REDACTED.to_owned()],
        new_map: BTreeMap::from([
            (REDACTED.to_owned(), json!([REDACTED, 4712])),
            ("pin".to_owned(), json!(REDACTED)),
            (
                "password".to_owned(),
                json!([REDACTED, { "name": REDACTED, "value": REDACTED }]),
            ),
        ]),
        new_token: REDACTED.to_owned(),
        kinds: vec![
            Kind::Plain,
            Kind::Note(REDACTED.to_owned()),
            Kind::Pair(REDACTED.to_owned(), 4711),
            Kind::Named {
                said: Some(REDACTED.to_owned()),
            },
        ],
    };
    assert_eq!(secrets.hidden(&added).unwrap(), shown);
}

#[test]
fn one_step_teaches_what_it_shows_in_every_place() {
    let secret = |place: &str| format!("{place}/s3cret+of 1");
    let encoded = |place: &str| -> String {
        url::form_urlencoded::byte_serialize(secret(place).as_bytes()).collect()
    };
    let table = Arc::new(Table {
        id: TableId(1),
        system: "db".into(),
        name: "users".to_owned(),
        columns: ["id", "password_hash"].map(str::to_owned).into(),
        kind: TableKind::Rows,
        observed: true,
        ignored_columns: vec![false; 2],
    });
    let cells: Row = [
        Cell::Integer(1),
        Cell::Text(secret("row").as_bytes().into()),
    ]
    .into();
    let record = StepRecord {
        request: Request {
            method: "POST".to_owned(),
            target: format!("/e?access_token={}&page=12345678", encoded("query")),
            headers: vec![
                (
                    "content-type".to_owned(),
                    "application/x-www-form-urlencoded".to_owned(),
                ),
                ("X-Client-Key".to_owned(), secret("header")),
                ("Cookie".to_owned(), format!("a={}", secret("cookie"))),
            ],
            body: Some(
                format!("user=qa&password={}", encoded("form"))
                    .into_bytes()
                    .into(),
            ),
        },
        response: Response {
            status: 200,
            headers: vec![
                ("Session-Token".to_owned(), secret("answer")),
                (
                    "Location".to_owned(),
                    format!("/reset?token={}", encoded("link")),
                ),
            ],
            body: Body::new(
                json!({ "data": [{ "apiKey": secret("json") }] })
                    .to_string()
                    .into_bytes(),
            ),
            duration: Duration::ZERO,
            no_answer: None,
            is_rate_limit: false,
            has_errors: false,
            is_unready: false,
            retries: 0,
            target: String::new(),
        },
        extracted: vec![("auth".to_owned(), json!(secret("extract")))],
        extract_failures: Vec::new(),
        rows: RowDelta::new(vec![RowChange {
            key: row_key([Cell::Integer(1)]),
            table,
            before: None,
            after: Some(cells),
        }]),
    };
    let secrets = Secrets::default();
    secrets.learn_request(&record.request);
    secrets.learn_response(&record.response);
    secrets.learn_extracted(&record.extracted);
    secrets.learn_rows(&record.rows);
    for place in [
        "query", "header", "cookie", "form", "answer", "link", "json", "extract", "row",
    ] {
        for form in [
            secret(place),
            encoded(place),
            encoded(place).replace('+', "%20"),
        ] {
            assert_eq!(secrets.hide(&format!("<{form}>")), "<[redacted]>");
        }
    }
    assert_eq!(secrets.hide("page 12345678 of qa"), "page 12345678 of qa");
}

#[test]
fn words_of_the_spec_and_of_a_language_are_no_secrets() {
    let spec = Secrets::named(["pin".to_owned()]).with_own_words(["no_refresh_rows".to_owned()]);
    spec.learn_fields(&json!({
        "token_type": "opaque-token-7", "token": "refresh", "password_hint": "first dog",
        "secret": "no_refresh_rows", "api_key": "k3y-11",
    }));
    spec.learn_header("Cookie", "theme=lightish; sid=0123456789");
    for open in [
        "opaque-token-7",
        "refresh",
        "first dog",
        "no_refresh_rows",
        "lightish",
    ] {
        assert_eq!(spec.hide(&format!("<{open}>")), format!("<{open}>"));
    }
    assert_eq!(spec.hide("k3y-11 0123456789"), "[redacted] [redacted]");
    assert_eq!(
        spec.hide(r#"{"token":"refresh"}"#),
        r#"{"token":"[redacted]"}"#
    );
    // What is named or a password may be any word.
    spec.learn_fields(&json!({ "password": "sunshine", "pin": "refresh" }));
    assert_eq!(
        spec.hide("<sunshine> <refresh>"),
        "<[redacted]> <[redacted]>"
    );
}

#[test]
fn a_secret_is_hidden_however_it_is_encoded_and_the_whole_word_with_it() {
    let secrets = Secrets::default();
    secrets.learn_header("Authorization", "Basic cWE6c2VjcmV0ICYgc2FmZQ==");
    for (text, shown) in [
        ("said secret & safe", "said [redacted]"),
        ("<b>secret &amp; safe</b>", "<b>[redacted]</b>"),
        ("<b>secret &#38; safe</b>", "<b>[redacted]</b>"),
        ("Basic cWE6c2VjcmV0ICYgc2FmZQ==", "Basic [redacted]"),
        ("t=cXE6c2VjcmV0ICYgc2FmZQ", "t=[redacted]"),
        ("x'73656372657420262073616665'", "x'[redacted]'"),
        ("c2VjcmV0cyBhcmUgc2FmZQ", "c2VjcmV0cyBhcmUgc2FmZQ"),
        (
            "?t=cXE6c2VjcmV0ICYgc2FmZQ%3D%3D&n=1",
            "?t=[redacted]%3D%3D&n=1",
        ),
        ("secret & safe://x", "[redacted]://x"),
        (
            "it is `xxx secret & s...`, not `y`",
            "it is `xxx [redacted]...`, not `y`",
        ),
    ] {
        assert_eq!(secrets.hide(text), shown);
    }
}

#[test]
fn a_value_behind_a_secret_name_is_hidden_in_a_text_and_from_then_on_everywhere() {
    let secrets = Secrets::named(["pin".to_owned()]);
    let lines = "{\"user\":\"bob\",\"password\":\"s3cret!\"}\n{\"pin\": \"4711-0\"}";
    let shown = "{\"user\":\"bob\",\"password\":\"[redacted]\"}\n{\"pin\": \"[redacted]\"}";
    assert_eq!(secrets.hide(lines), shown);
    assert_eq!(secrets.hide("s3cret! 4711-0"), "s3cret! 4711-0");
    secrets.learn_fields(&json!({ "stored": lines }));
    assert_eq!(secrets.hide("s3cret! 4711-0"), "[redacted] [redacted]");
}

#[test]
fn everything_below_a_secret_name_is_hidden() {
    let secrets = Secrets::default();
    let value =
        json!({ "secret": { "deep": ["a", { "deeper": "b" }], "when": null }, "name": "c" });
    let shown = json!({
        "secret": { "deep": [REDACTED, { "deeper": REDACTED }], "when": null }, "name": "c",
    });
    assert_eq!(hidden(&secrets, &value), shown);
}

#[test]
fn the_beginning_of_a_secret_is_hidden_where_a_body_was_cut_off_within_it() {
    let secrets = Secrets::default();
    secrets.learn(&json!("s3cret-s3cret"));
    let body = crate::event::Body {
        length: 100,
        cut: true,
        json: None,
        text: Some("it is s3cret-s3cre".to_owned()),
    };
    let shown = secrets.hidden(&body).unwrap();
    assert_eq!(shown.text.unwrap(), "it is [redacted]");
}

#[test]
fn a_field_of_a_form_is_secret_for_its_innermost_name() {
    let secrets = Secrets::named(["code".to_owned()]);
    for (text, shown) in [
        (
            "/x?user[password][]=a1&n=b",
            "/x?user[password][]=[redacted]&n=b",
        ),
        (
            "/x?filter%5Bapi_key%5D=a1&n=b",
            "/x?filter%5Bapi_key%5D=[redacted]&n=b",
        ),
        ("a[code]=c3&n=b", "a[code]=[redacted]&n=b"),
        ("a[name]=c3&n=b", "a[name]=c3&n=b"),
    ] {
        assert_eq!(secrets.hide(text), shown, "{text}");
    }
    let form = b"user%5Bpassword%5D%5B%5D=correct+horse";
    secrets.learn_request(&Request {
        method: "POST".to_owned(),
        target: "/x".to_owned(),
        headers: vec![(
            "content-type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        )],
        body: Some(form.as_slice().into()),
    });
    assert_eq!(secrets.hide("said correct horse"), "said [redacted]");
}

#[test]
fn a_secret_is_found_in_base64_of_base64_and_as_it_reads_where_a_header_has_it_escaped() {
    let secrets = Secrets::default();
    secrets.learn(&json!("p&ss word"));
    // `u:p&ss word`
    let twice = "ZFRwd0puTnpJSGR2Y21RPQ==";
    assert_eq!(secrets.hide(&format!("a: {twice}")), "a: [redacted]");
    // `{"p":"p\u0026ss word"}`
    let escaped = "eyJwIjoicFx1MDAyNnNzIHdvcmQifQ==";
    assert_eq!(secrets.hide(escaped), REDACTED);
    secrets.learn_header("X-Session-Token", "Zq%2F7%2BpL%3D9");
    secrets.learn_header("Cookie", "sid=kk%2Fmm%2Bnn%2Foo");
    assert_eq!(
        secrets.hide("Zq/7+pL=9 kk/mm+nn/oo"),
        "[redacted] [redacted]"
    );
}

#[test]
fn what_a_query_found_in_a_secret_column_is_hidden_in_the_others_too() {
    let secrets = Secrets::default();
    let columns = ["id", "password", "note"].map(str::to_owned);
    secrets.learn_found(&columns, &[vec![json!(1), json!("Zq/7+pL=9"), json!("x")]]);
    assert_eq!(secrets.hide("pw Zq/7+pL=9"), "pw [redacted]");
}

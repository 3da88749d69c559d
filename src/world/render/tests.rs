use super::super::test_support::{model, request};
use super::*;
use crate::model::{Context, VariableId};

fn sent(path: &str, value: &str) -> Result<String, String> {
    let target = Target::new("http://127.0.0.1:8080", &[]).unwrap();
    let model = model(Vec::new(), &["v"]);
    let context = Context::empty(1).with(VariableId(0), Some(value.into()));
    let values: Arc<dyn Lookup> = Arc::new(model.bindings(&context));
    target
        .render(&request("GET", path), &values, &Cookies::default())
        .map(|rendered| rendered.record.target)
        .map_err(|unsendable| unsendable.why)
}

#[test]
fn a_value_cannot_change_which_request_is_sent() {
    let path = "/orders/{{ v }}/refund";
    let cases = [
        ("7", "/orders/7/refund"),
        ("a b", "/orders/a%20b/refund"),
        ("7?admin=1", "/orders/7%3Fadmin=1/refund"),
        ("7#x", "/orders/7%23x/refund"),
        ("7\\..\\8", "/orders/7%5C..%5C8/refund"),
        ("a\tb\r\nc", "/orders/a%09b%0D%0Ac/refund"),
        ("50%", "/orders/50%25/refund"),
        ("a%2Fb", "/orders/a%2Fb/refund"),
        ("ü", "/orders/%C3%BC/refund"),
        (
            "{\"a\":[1]}'|^`",
            "/orders/%7B%22a%22:[1]%7D'%7C%5E%60/refund",
        ),
        ("", "/orders//refund"),
        ("//evil.example", "/orders///evil.example/refund"),
    ];
    for (value, expected) in cases {
        assert_eq!(sent(path, value).as_deref(), Ok(expected), "{value:?}");
    }
    for value in ["..", "7/../8", ".", "%2e%2E"] {
        let error = sent(path, value).unwrap_err();
        assert!(error.contains("`.` and `..` segments"), "{error}");
    }
}

#[test]
fn a_path_may_bring_its_own_query_and_need_no_slash() {
    let cases = [
        (
            "items?sort=id&q={{ v }}",
            "a b'c",
            "/items?sort=id&q=a%20b%27c",
        ),
        ("{{ v }}", "", "/"),
        ("{{ v }}", "orders/1", "/orders/1"),
        ("{{ v }}", "/orders?page=2", "/orders?page=2"),
        ("?q={{ v }}", "1", "/?q=1"),
        ("/next{{ v }}", "//x", "/next//x"),
        (
            "{{ v }}",
            "http://127.0.0.1:8080/orders/5?x=1",
            "/orders/5?x=1",
        ),
        (
            "http://other.example/{{ v }}",
            "orders",
            "http://other.example/orders",
        ),
    ];
    for (path, value, expected) in cases {
        assert_eq!(sent(path, value).as_deref(), Ok(expected), "{path} {value}");
    }
}

#[test]
fn a_request_that_cannot_be_filled_names_the_template() {
    let target = Target::new("http://127.0.0.1:8080", &[]).unwrap();
    let model = model(Vec::new(), &["v"]);
    let values: Arc<dyn Lookup> = Arc::new(model.bindings(&Context::empty(1)));
    let error = target
        .render(
            &request("GET", "/orders/{{ v }}"),
            &values,
            &Cookies::default(),
        )
        .unwrap_err()
        .why;
    assert!(
        error.starts_with("cannot fill `path: /orders/{{ v }}`: "),
        "{error}"
    );
}

#[test]
fn a_method_with_a_body_and_no_body_says_that_its_length_is_zero() {
    let target = Target::new("http://127.0.0.1:8080", &[]).unwrap();
    let model = model(Vec::new(), &[]);
    let values: Arc<dyn Lookup> = Arc::new(model.bindings(&Context::empty(0)));
    let methods = ["POST", "PUT", "PATCH", "GET", "DELETE"];
    let lengths = methods.map(|method| {
        let rendered = target.render(&request(method, "/"), &values, &Cookies::default());
        let headers = rendered.unwrap().wire.headers().clone();
        let length = headers.get(CONTENT_LENGTH);
        length.map(|length| length.to_str().unwrap().to_owned())
    });
    let zero = Some("0".to_owned());
    assert_eq!(lengths, [zero.clone(), zero.clone(), zero, None, None]);
}

#[test]
fn a_header_value_with_a_line_break_is_refused() {
    let target = Target::new("http://127.0.0.1:8080", &[]).unwrap();
    let model = model(Vec::new(), &["v"]);
    let context = Context::empty(1).with(VariableId(0), Some("a\r\nX-Evil: 1".into()));
    let values: Arc<dyn Lookup> = Arc::new(model.bindings(&context));
    let mut get = request("GET", "/");
    get.headers = vec![("X-A".to_owned(), Template::parse("{{ v }}").unwrap())];
    let error = target
        .render(&get, &values, &Cookies::default())
        .unwrap_err()
        .why;
    assert!(
        error.contains("`X-A`") && error.contains("line break"),
        "{error}"
    );
}

#[test]
fn a_base_url_that_cannot_work_is_refused_in_words() {
    for (url, words) in [
        ("127.0.0.1:8080", "`http.base_url` is `127.0.0.1:8080`"),
        ("ftp://x/", "only `http://`"),
        ("http://user:secret@x/", "user name or password"),
        ("http://x/?a=1", "no `?` or `#`"),
        ("http://127.0.0.1:${port}", "which is no URL"),
    ] {
        let error = Target::new(url, &[]).unwrap_err();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let error = Target::new(
        "http://x",
        &[("Content-Length".to_owned(), Template::literal("3"))],
    )
    .unwrap_err();
    assert!(error.contains("follows from the body"), "{error}");
}

#[test]
fn an_answer_leads_only_where_the_spec_allows_and_credentials_stay_behind() {
    let credentials = [("Authorization", "of http"), ("X-Version", "2")]
        .map(|(name, value)| (name.to_owned(), Template::literal(value)));
    let target = Target::new("http://127.0.0.1:8080", &credentials)
        .and_then(|target| target.with_origins(&["http://127.0.0.1:9000".to_owned()]))
        .unwrap();
    let service = Url::parse("http://127.0.0.1:8080/").unwrap();
    let mut cookies = Cookies::default();
    cookies.store(["sid=1; Path=/"].into_iter(), &service);
    let model = model(Vec::new(), &["v"]);
    let names = |path: &str, value: &str| -> Result<Vec<String>, String> {
        let context = Context::empty(1).with(VariableId(0), Some(value.into()));
        let values: Arc<dyn Lookup> = Arc::new(model.bindings(&context));
        let mut get = request("GET", path);
        get.headers = ["X-Api-Key", "Accept"]
            .map(|name| (name.to_owned(), Template::literal("own")))
            .into();
        let rendered = target.render(&get, &values, &cookies);
        let sent = rendered.map_err(|unsendable| unsendable.help.unwrap_or_default())?;
        let headers = sent.record.headers.into_iter();
        Ok(headers.map(|(name, _)| name).collect())
    };
    let to_service = [
        "Authorization",
        "X-Version",
        "X-Api-Key",
        "Accept",
        "cookie",
    ];
    for (path, value, sent) in [
        ("{{ v }}", "/orders", &to_service[..]),
        ("{{ v }}", "http://127.0.0.1:8080/orders", &to_service),
        ("{{ v }}", "http://127.0.0.1:9000/orders", &["Accept"]),
        ("http://other:9/{{ v }}", "", &["X-Api-Key", "Accept"]),
    ] {
        assert_eq!(names(path, value).unwrap(), sent, "{path} {value}");
    }
    for (path, value) in [
        ("{{ v }}", "http://127.0.0.1:9001/orders"),
        ("{{ v }}", "https://127.0.0.1:8080/orders"),
        ("{{ v }}", "http://127.0.0.1:8080@other/"),
        ("http://127.0.0.1:8080{{ v }}/orders", "@other"),
        ("http://{{ v }}/orders", "other"),
    ] {
        let help = names(path, value).unwrap_err();
        assert!(help.contains("http: { origins: [\"http"), "{path}: {help}");
    }
}

use super::super::test_support::{model, request};
use super::*;
use crate::model::{Bindings, BodyTemplate, Bytes, Context, Names, Part, PartContent, VariableId};
use crate::world::cookies::Cookies;

fn sent(path: &str, value: &str) -> Result<String, String> {
    let target = Target::new("http://127.0.0.1:8080", &[]).unwrap();
    let model = model(Vec::new(), &["v"]);
    let context = Context::empty(1).with(VariableId(0), Some(value.into()));
    let values: Arc<dyn Lookup> = Arc::new(model.bindings(&context));
    target
        .render(&request("GET", path), &values, &Sessions::default())
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
        ("a/b", "/orders/a%2Fb/refund"),
        ("7/../8", "/orders/7%2F..%2F8/refund"),
        ("7#x", "/orders/7%23x/refund"),
        ("7\\..\\8", "/orders/7%5C..%5C8/refund"),
        ("a\tb\r\nc", "/orders/a%09b%0D%0Ac/refund"),
        ("50%", "/orders/50%25/refund"),
        ("a%2Fb", "/orders/a%252Fb/refund"),
        ("ü", "/orders/%C3%BC/refund"),
        (
            "{\"a\":[1]}'|^`",
            "/orders/%7B%22a%22:%5B1%5D%7D'%7C%5E%60/refund",
        ),
        ("", "/orders//refund"),
        ("//evil.example", "/orders/%2F%2Fevil.example/refund"),
    ];
    for (value, expected) in cases {
        assert_eq!(sent(path, value).as_deref(), Ok(expected), "{value:?}");
    }
    for value in ["..", "."] {
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
        (
            "/items?q={{ v }}&x=1",
            "a&b=c+d/e",
            "/items?q=a%26b%3Dc%2Bd/e&x=1",
        ),
        ("/items?{{ v }}", "a=1&b=2", "/items?a=1&b=2"),
        ("/orders/x-{{ v }}", "/1", "/orders/x-%2F1"),
        ("{{ v }}", "HTTP://127.0.0.1:8080/up", "/up"),
        ("/tags/{{ v | urlencode }}", "a b/c", "/tags/a%20b/c"),
        ("/tags/{{ v | safe }}", "a/b", "/tags/a/b"),
        ("{{ v }}/refund", "/orders/1", "/orders/1/refund"),
        ("{{ v }}/refund", "a/b", "/a%2Fb/refund"),
        ("{{ v }}", "", "/"),
        ("{{ v }}", "orders/1", "/orders/1"),
        ("{{ v }}", "/orders?page=2", "/orders?page=2"),
        ("{{ v }}", "/orders/5?x=1#top", "/orders/5?x=1"),
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
fn a_link_of_an_answer_starts_at_the_root_of_the_host_and_a_path_of_the_spec_below_the_base_url() {
    let target = Target::new("http://127.0.0.1:8080/api/v1", &[]).unwrap();
    let names = Arc::new(Names {
        constants: [("own".to_owned(), "/orders/1".into())]
            .into_iter()
            .collect(),
        variables: ["link".to_owned()].into_iter().collect(),
    });
    let sent = |path: &str, link: &str| {
        let context = Context::empty(1).with(VariableId(0), Some(link.into()));
        let values: Arc<dyn Lookup> = Arc::new(Bindings {
            names: names.clone(),
            context,
            parameters: Arc::default(),
            chosen: None,
            draws: None,
            turn: 0,
        });
        let rendered = target.render(&request("GET", path), &values, &Sessions::default());
        rendered.map(|rendered| rendered.record.target).unwrap()
    };
    for (path, link, expected) in [
        ("{{ link }}", "/api/v1/orders/1", "/api/v1/orders/1"),
        (
            "{{ link }}/refund",
            "/api/v1/orders/1",
            "/api/v1/orders/1/refund",
        ),
        ("{{ link }}", "/api/v2/orders/1", "/api/v2/orders/1"),
        ("{{ link }}", "http://127.0.0.1:8080/x", "/x"),
        ("{{ link }}", "//127.0.0.1:8080/x", "/x"),
        ("{{ link }}", "orders/1", "/api/v1/orders/1"),
        ("{{ own }}", "", "/api/v1/orders/1"),
        ("{{ own }}/refund", "", "/api/v1/orders/1/refund"),
        ("/orders{{ link }}", "/1", "/api/v1/orders/1"),
    ] {
        assert_eq!(sent(path, link), expected, "{path} {link}");
    }
}

#[test]
fn parts_of_a_form_are_sent_as_browsers_send_them() {
    let parts = [
        Part {
            name: "ti\"tle".to_owned(),
            filename: None,
            content: PartContent::Text(Template::parse("{{ v }}").unwrap(), None),
        },
        Part {
            name: "file".to_owned(),
            filename: Some("a.bin".to_owned()),
            content: PartContent::File(Bytes {
                bytes: [0, 255].into(),
                content_type: "image/png".to_owned(),
            }),
        },
    ];
    let mut post = request("POST", "/");
    post.body = BodyTemplate::Multipart(parts.into());
    post.basic = Some((Template::literal("anna"), Template::literal("a:b")));
    let target = Target::new("http://127.0.0.1:8080", &[]).unwrap();
    let model = model(Vec::new(), &["v"]);
    let context = Context::empty(1).with(VariableId(0), Some("x".into()));
    let values: Arc<dyn Lookup> = Arc::new(model.bindings(&context));
    let record = target
        .render(&post, &values, &Sessions::default())
        .unwrap()
        .record;
    let header = |name: &str| {
        let found = record.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(header("Authorization"), "Basic YW5uYTphOmI=");
    let content_type = header("content-type");
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"ti%22tle\"\r\n\r\nx\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: image/png\r\n\r\n"
    );
    let body = [
        body.as_bytes(),
        &[0, 255],
        format!("\r\n--{boundary}--\r\n").as_bytes(),
    ]
    .concat();
    assert_eq!(record.body.as_deref(), Some(&body[..]));
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
            &Sessions::default(),
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
        let rendered = target.render(&request(method, "/"), &values, &Sessions::default());
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
        .render(&get, &values, &Sessions::default())
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
    let mut sessions = Sessions::default();
    sessions.set_cookies(None, cookies);
    let model = model(Vec::new(), &["v"]);
    let names = |path: &str, value: &str| -> Result<Vec<String>, String> {
        let context = Context::empty(1).with(VariableId(0), Some(value.into()));
        let values: Arc<dyn Lookup> = Arc::new(model.bindings(&context));
        let mut get = request("GET", path);
        get.headers = ["X-Api-Key", "Accept"]
            .map(|name| (name.to_owned(), Template::literal("own")))
            .into();
        let rendered = target.render(&get, &values, &sessions);
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

use std::sync::atomic::Ordering;

use serde_json::json;

use super::super::test_support::{RawServer, answer, http_config, interrupt, model, request};
use super::*;
use crate::expr::Template;
use crate::interrupt::Ending;
use crate::model::{BodyTemplate, Context, Names, VariableId};

/// Sessions in which these are the cookies of everybody.
fn with(cookies: &Cookies) -> Sessions {
    let mut sessions = Sessions::default();
    sessions.set_cookies(None, cookies.clone());
    sessions
}

fn values() -> Arc<dyn Lookup> {
    let model = model(Vec::new(), &["token"]);
    Arc::new(model.bindings(&Context::empty(1)))
}

async fn get(server: &RawServer) -> Result<Response, Failure> {
    let mut client = Client::new(&server.url(), &[], &http_config(""), &Arc::default()).unwrap();
    send(&mut client, &request("GET", "/x")).await
}

async fn send(client: &mut Client, request: &RequestTemplate) -> Result<Response, Failure> {
    let rendered = client
        .render(request, &values(), &Sessions::default())
        .unwrap();
    client
        .send(&rendered, &mut Cookies::default(), &interrupt())
        .await
}

async fn what_goes_wrong(bytes: &'static [u8]) -> String {
    let server = RawServer::start(move |_, _| Some(bytes.to_vec()));
    let failure = get(&server).await.expect_err("this is no complete answer");
    assert_eq!(failure.kind, FailureKind::Broken);
    failure.what
}

#[tokio::test]
async fn an_answer_that_is_not_complete_http_is_a_failure_that_says_what_was_wrong() {
    let cases: [(&[u8], &str); 6] = [
        (b"SSH-2.0-OpenSSH\r\n<cut>", "no HTTP answer: invalid HTTP version parsed"),
        (b"\x00\xff\xfe garbage \r\n\r\n<cut>", "no HTTP answer: invalid HTTP version parsed"),
        (b"HTTP/1.1 200 OK\r\ncontent-le<cut>", "no HTTP answer: connection closed before message completed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf<cut>", "the answer broke off or is malformed: "),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nxx\r\n<cut>", "the answer broke off or is malformed: "),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 12\r\n\r\nnot gzip at all", "the answer broke off or is malformed: "),
    ];
    for (bytes, words) in cases {
        let what = what_goes_wrong(bytes).await;
        assert!(
            what.starts_with(words),
            "{what:?} for {:?}",
            String::from_utf8_lossy(bytes)
        );
        assert!(!what.ends_with(": "), "{what:?} says no cause");
        assert!(
            !what.contains("127.0.0.1"),
            "{what:?} differs from run to run"
        );
    }
}

#[tokio::test]
async fn a_connection_closed_without_a_byte_may_be_an_idle_one_only_if_it_was_used_before() {
    let mut calls = 0;
    let server = RawServer::start(move |_, _| {
        calls += 1;
        (calls == 2).then(|| answer(200, "", b"ok"))
    });
    let mut client = Client::new(&server.url(), &[], &http_config(""), &Arc::default()).unwrap();
    let get = request("GET", "/");
    let failure = send(&mut client, &get).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Broken);
    assert_eq!(send(&mut client, &get).await.unwrap().status, 200);
    let failure = send(&mut client, &get).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::MaybeIdle);
}

#[tokio::test]
async fn a_refused_connection_says_so_and_leaves_nothing_under_way() {
    // A privileged port that nobody uses.
    let mut client =
        Client::new("http://127.0.0.1:1", &[], &http_config(""), &Arc::default()).unwrap();
    let failure = send(&mut client, &request("GET", "/")).await.unwrap_err();
    assert!(
        failure.what.starts_with("cannot connect: "),
        "{}",
        failure.what
    );
    assert!(
        failure.what.contains("onnection refused"),
        "{}",
        failure.what
    );
    assert_eq!(failure.kind, FailureKind::Unsent);
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_after_the_timeout() {
    let server = RawServer::start(|head, _| {
        if head.contains("/half") {
            return Some(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec());
        }
        std::thread::sleep(Duration::from_secs(20));
        None
    });
    let mut config = http_config("");
    config.timeout = Duration::from_secs(1);
    let mut client = Client::new(&server.url(), &[], &config, &Arc::default()).unwrap();
    let failure = send(&mut client, &request("GET", "/half"))
        .await
        .unwrap_err();
    assert_eq!(
        failure.what,
        "the answer began, but was not complete within 1s"
    );
    let failure = send(&mut client, &request("GET", "/none"))
        .await
        .unwrap_err();
    assert_eq!(failure.what, "no answer within 1s");
    assert_eq!(failure.kind, FailureKind::TimedOut);
}

#[tokio::test]
async fn a_user_in_a_hurry_does_not_wait_for_the_answer() {
    let server = RawServer::start(|_, _| {
        std::thread::sleep(Duration::from_secs(20));
        None
    });
    let mut client = Client::new(&server.url(), &[], &http_config(""), &Arc::default()).unwrap();
    let rendered = client
        .render(&request("GET", "/"), &values(), &Sessions::default())
        .unwrap();
    let interrupt = interrupt();
    interrupt.request();
    interrupt.request();
    let failure = client
        .send(&rendered, &mut Cookies::default(), &interrupt)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Ended(Ending::Requested));
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_read_whole_and_a_larger_one_than_allowed_is_cut_and_counted() {
    let body = vec![b'x'; 10 * 1024 * 1024];
    let expected = body.len();
    let server = RawServer::start(move |_, _| Some(answer(200, "", &body)));
    let whole = get(&server).await.unwrap();
    assert_eq!(whole.body.bytes.len(), expected);
    assert!(!whole.body.is_cut());

    let mut config = http_config("");
    config.max_body = 1000;
    let mut client = Client::new(&server.url(), &[], &config, &Arc::default()).unwrap();
    let cut = send(&mut client, &request("GET", "/")).await.unwrap();
    assert_eq!(cut.body.bytes.len(), 1000);
    assert_eq!(cut.body.length, expected as u64);
    assert!(cut.body.is_cut());
}

#[tokio::test]
async fn requests_go_over_one_connection_and_a_redirect_is_an_observation() {
    let server =
        RawServer::start(|_, _| Some(answer(302, "location: /elsewhere\r\nx-a: 1\r\n", b"")));
    let mut client = Client::new(&server.url(), &[], &http_config(""), &Arc::default()).unwrap();
    for _ in 0..20 {
        let response = send(&mut client, &request("POST", "/")).await.unwrap();
        assert_eq!(response.status, 302);
        assert!(
            response
                .headers
                .contains(&("location".to_owned(), "/elsewhere".to_owned()))
        );
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn gzip_is_unpacked_before_anybody_looks_at_the_body() {
    // gzip of `{"id":7}`
    const PACKED: [u8; 28] = [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xab, 0x56, 0xca, 0x4c, 0x51,
        0xb2, 0x32, 0xaf, 0x05, 0x00, 0, 0, 0, 0, 0x08, 0x00, 0x00, 0x00,
    ];
    let mut packed = PACKED.to_vec();
    packed[20..24].copy_from_slice(&crc32(b"{\"id\":7}").to_le_bytes());
    let server =
        RawServer::start(move |_, _| Some(answer(200, "content-encoding: gzip\r\n", &packed)));
    let response = get(&server).await.unwrap();
    assert_eq!(response.body.json().unwrap().as_ref(), &json!({"id": 7}));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[tokio::test]
async fn what_the_spec_says_is_sent_and_recorded() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let server = RawServer::start(move |head, body| {
        sender.send((head.to_lowercase(), body.to_vec())).unwrap();
        Some(answer(200, "set-cookie: session=abc; Path=/\r\n", b"{}"))
    });
    let mut config = http_config("");
    config.headers = vec![
        ("Accept-Language".to_owned(), Template::literal("en")),
        (
            "Authorization".to_owned(),
            Template::parse("Bearer {{ token }}").unwrap(),
        ),
        ("X-Common".to_owned(), Template::literal("common")),
    ];
    let mut client = Client::new(
        &format!("{}/api/", server.url()),
        &[],
        &config,
        &Arc::default(),
    )
    .unwrap();
    let mut post = request("POST", "/orders").with_json(&json!({"amount": 5}));
    post.headers = vec![("x-common".to_owned(), Template::literal("own"))];
    post.query = vec![("q".to_owned(), Template::literal("a b&c"))];

    let mut cookies = Cookies::default();
    let rendered = client.render(&post, &values(), &with(&cookies)).unwrap();
    assert_eq!(rendered.record.target, "/api/orders?q=a+b%26c");
    client
        .send(&rendered, &mut cookies, &interrupt())
        .await
        .unwrap();
    let (head, body) = receiver.recv().unwrap();
    assert!(
        head.starts_with("post /api/orders?q=a+b%26c http/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nx-common: own\r\n") && !head.contains("common: common"),
        "{head}"
    );
    assert!(
        !head.contains("authorization"),
        "no token is known yet: {head}"
    );
    assert_eq!(body, b"{\"amount\":5}");

    // With a token and a cookie, both are sent and recorded.
    let names = Names {
        variables: ["token".to_owned()].into_iter().collect(),
        ..Names::default()
    };
    let context = Context::empty(1).with(VariableId(0), Some(json!("t0k")));
    let bindings: Arc<dyn Lookup> = Arc::new(crate::model::Bindings {
        names: Arc::new(names),
        context,
        parameters: Arc::default(),
        chosen: None,
        draws: None,
        turn: 0,
    });
    let rendered = client.render(&post, &bindings, &with(&cookies)).unwrap();
    let shown: Vec<(&str, &str)> = rendered
        .record
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("Accept-Language", "en"),
            ("Authorization", "Bearer t0k"),
            ("x-common", "own"),
            ("content-type", "application/json"),
            ("cookie", "session=abc"),
        ]
    );
    client
        .send(&rendered, &mut cookies, &interrupt())
        .await
        .unwrap();
    let (head, _) = receiver.recv().unwrap();
    assert!(head.contains("\r\nauthorization: bearer t0k\r\n"), "{head}");
    assert!(head.contains("\r\ncookie: session=abc\r\n"), "{head}");
}

#[tokio::test]
async fn forms_and_texts_are_sent_as_what_they_are() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let server = RawServer::start(move |head, body| {
        sender
            .send((
                head.to_lowercase(),
                String::from_utf8(body.to_vec()).unwrap(),
            ))
            .unwrap();
        Some(answer(204, "", b""))
    });
    let mut client = Client::new(&server.url(), &[], &http_config(""), &Arc::default()).unwrap();
    let mut form = request("PUT", "/form");
    form.body = BodyTemplate::Form(vec![("a b".to_owned(), Template::literal("1&2 ü"))]);
    send(&mut client, &form).await.unwrap();
    let (head, body) = receiver.recv().unwrap();
    assert!(
        head.contains("content-type: application/x-www-form-urlencoded"),
        "{head}"
    );
    assert_eq!(body, "a+b=1%262+%C3%BC");

    let mut text = request("POST", "/text");
    text.headers = vec![("Content-Type".to_owned(), Template::literal("text/csv"))];
    text.body = BodyTemplate::Text(Template::literal("a;b\n"));
    let response = send(&mut client, &text).await.unwrap();
    let (head, body) = receiver.recv().unwrap();
    assert!(
        head.contains("content-type: text/csv") && !head.contains("text/plain"),
        "{head}"
    );
    assert_eq!(body, "a;b\n");
    assert_eq!(response.body.length, 0);
}

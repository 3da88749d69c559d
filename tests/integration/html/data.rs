//! Runs that are not as one expects: hostile, failed, cut off, large.

use serde_json::{Value, json};

use super::{assert_quiet, log_of, opened, page_of};
use crate::support::{Sandbox, key};

#[test]
fn what_a_service_sends_stays_text() {
    let sandbox = Sandbox::with_shop();
    let hostile = "</script><img src=x onerror='window.pwned=1'><!--\u{0}\u{202e}\u{2028}🦂";
    let quoted = json!(hostile).to_string();
    let mut entries = log_of(&sandbox, "300");
    for entry in &mut entries {
        // Names, messages, values of rows and fields of answers.
        let text = entry.to_string();
        let text = [
            "shop",
            "mug",
            "create_order",
            "stock_is_never_negative",
            "more was sold than there was",
            "orders",
        ]
        .iter()
        .fold(text, |text, word| {
            text.replace(&json!(word).to_string(), &quoted)
        });
        *entry = serde_json::from_str(&text).unwrap();
    }
    let page = page_of(&sandbox, &entries);
    let browser = opened(&sandbox, &page);
    for view in ['1', '2', '3', '4', 'n', 'n', 'k'] {
        browser.press([view]);
    }
    browser.press("/onerror".chars());
    browser.press([key::ENTER]);
    assert_eq!(
        browser.script("return [typeof window.pwned, document.querySelectorAll('img').length]"),
        json!(["undefined", 0])
    );
    assert!(
        browser.text("#verdict .figures").contains(
            "</script><img src=x onerror='window.pwned=1'><!--\\u{0}\\u{202e}\\u{2028}🦂"
        )
    );
    assert!(browser.requests().iter().all(|url| !url.ends_with("/x")));
    assert_quiet(&browser);
}

#[test]
fn runs_that_failed_were_cut_off_or_took_no_step_say_so() {
    let sandbox = Sandbox::with_shop();
    let entries = log_of(&sandbox, "30");
    let started = entries[0].clone();
    let mut failed = entries.last_chunk::<2>().unwrap()[0].clone();
    failed["stop"] = json!({
        "reason": "failed",
        "error": { "kind": "service", "message": "the service ended", "details": ["no licence found"], "help": "see its log" },
        "path": [],
    });
    // Whole; of its first steps only; of its start only; failed.
    let mut runs = entries.clone();
    runs.extend(entries[..10].iter().cloned());
    runs.push(started.clone());
    runs.extend([started, failed]);
    let page = page_of(&sandbox, &runs);
    let browser = opened(&sandbox, &page);
    let mut headlines = Vec::new();
    for run in 1..=4 {
        browser.click(&format!("#runs button:nth-child({run})"));
        headlines.push(browser.text("#verdict"));
        for view in ['1', '2', '3', '4'] {
            browser.press([view]);
        }
    }
    assert!(
        headlines[0].contains("INCOMPLETE") || headlines[0].contains("VIOLATIONS"),
        "{headlines:?}"
    );
    for headline in &headlines[1..] {
        assert!(headline.contains("FAILED"), "{headline}");
    }
    assert!(
        headlines[3].contains("the service ended") && headlines[3].contains("no licence found"),
        "{}",
        headlines[3]
    );
    assert_quiet(&browser);
}

#[test]
fn the_merged_runs_of_a_matrix_are_one_graph() {
    let sandbox = Sandbox::with_shop();
    for strategy in ["bfs", "dfs"] {
        let log = format!("log={strategy}.log");
        sandbox
            .venomqa(format!("explore --strategy {strategy} --max-steps 60"))
            .args(["--report", &log])
            .run();
    }
    let merge = ["report", "merge", "bfs.log", "dfs.log"];
    let merged = sandbox
        .venomqa(merge)
        .args("--to html=page.html --to json")
        .run()
        .code(0)
        .only_run();
    let browser = opened(&sandbox, &sandbox.path("page.html"));
    assert_eq!(
        browser.script("return venomqa.run.states"),
        merged["figures"]["states"]
    );
    browser.press(['2', '4']);
    let parts = browser.text(".merged");
    assert!(parts.contains("bfs") && parts.contains("dfs"), "{parts}");
    assert_quiet(&browser);
}

/// A walk of 20,000 steps over 5,000 states: each has a way ahead, others across and back, and some that leave it as it is.
fn large(entries: &[Value]) -> Vec<Value> {
    const STATES: u64 = 5000;
    let step = entries
        .iter()
        .find(|entry| entry["event"] == "step")
        .unwrap();
    let mut random: u64 = 1;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let steps = (0..20_000_u64).map(|number| {
        let mut step = step.clone();
        // The first ones find a state each.
        let finds = number < STATES - 1;
        let from = if finds { number / 3 } else { next(STATES) };
        let to = match next(4) {
            _ if finds => number + 1,
            0 => from,
            1 => next(STATES),
            _ => (from + next(300)).min(STATES - 1),
        };
        step["step"] = json!(number + 1);
        step["from"] = json!(from);
        step["to"] = json!(to);
        step["new_state"] = json!(finds);
        step["fingerprint"] = json!(format!("{to:032x}"));
        step["action"] = json!(number % 10);
        step["exchange"]["response"]["body"] = json!({ "length": 2000, "cut": false, "json": { "id": number, "note": format!("{number:x}").repeat(400) } });
        step
    });
    let first = &entries[..1];
    let last = entries.last_chunk::<2>().unwrap();
    first
        .iter()
        .cloned()
        .chain(steps)
        .chain(last.iter().cloned())
        .collect()
}

#[test]
fn five_thousand_states_are_drawn_searched_and_moved() {
    let sandbox = Sandbox::with_shop();
    let page = page_of(&sandbox, &large(&log_of(&sandbox, "30")));
    let size = page.metadata().unwrap().len();
    assert!(size < 20_000_000, "{size} bytes");
    let browser = opened(&sandbox, &page);
    browser.press(['2']);
    assert_eq!(
        browser.script("return [venomqa.run.states, venomqa.run.length]"),
        json!([5000, 20000])
    );
    let drawn = || {
        browser.script(
        "const { view } = venomqa.graph; view.drawNow(); const { canvas } = view; \
         const copy = document.createElement('canvas'); [copy.width, copy.height] = [canvas.width, canvas.height]; \
         const context = copy.getContext('2d', { willReadFrequently: true }); context.drawImage(canvas, 0, 0); \
         const { data } = context.getImageData(0, 0, copy.width, copy.height); let other = 0; \
         for (let at = 4; at < data.length; at += 4) other += data[at] !== data[0] || data[at + 1] !== data[1]; return other / (data.length / 4)",
    )
    };
    let share = drawn().as_f64().unwrap();
    assert!(
        (0.05..0.98).contains(&share),
        "the whole graph covers {share} of the picture"
    );

    // No two states stand on each other, and none is lost.
    let apart = browser.script(
        "const { x, y } = venomqa.graph.layout; const places = new Set(Array.from(x, (left, state) => `${Math.round(left)} ${Math.round(y[state])}`)); return places.size",
    );
    assert_eq!(apart, 5000);

    browser.press("/4321".chars());
    browser.wait_until("venomqa.graph.state === 4321");
    browser.press([key::ENTER, key::ESCAPE]);
    let side = browser.text(".side h2");
    assert!(side.starts_with("State 4321"), "{side}");
    browser.press([
        '0', '+', '+', '+', '+', '+', '+', '+', '+', '+', '+', '+', '+',
    ]);
    assert!(drawn().as_f64().unwrap() > 0.0);
    assert_quiet(&browser);

    // How long it takes is not judged, because machines differ. `docs/html.md` names a measurement and how to repeat it.
    if std::env::var_os("VENOMQA_MEASURE_PAGE").is_none() {
        return;
    }
    browser.script(
        "window.measured = null; (async () => { const { view } = venomqa.graph; const frame = () => new Promise(requestAnimationFrame); \
         const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]; const out = {}; \
         for (const [name, scale] of [['fit', 0], ['middle', 0.3], ['near', 0.8]]) { \
           if (scale) { view.camera.scale = scale; view.center((view.box.left + view.box.right) / 2, 0); } else view.fit(); await frame(); \
           const times = []; let last = performance.now(); \
           for (let turn = 0; turn < 40; turn++) { view.pan(turn % 2 ? 9 : -7, 3); await frame(); const now = performance.now(); times.push(now - last); last = now; } \
           out[name] = Math.round(median(times)); } \
         window.measured = out; })()",
    );
    browser.wait_until("window.measured");
    println!(
        "{size} bytes; ms until loaded {}, to lay out {}, per frame while panning {}",
        browser.script("return Math.round(performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd)"),
        browser.script("return Math.round(venomqa.graph.layoutTime)"),
        browser.script("return window.measured"),
    );
}

//! The views, used by mouse and by keyboard.

use serde_json::{Value, json};

use super::{assert_quiet, explore, opened};
use crate::support::{Sandbox, items, key};

#[test]
fn violations_are_listed_and_their_steps_are_shown_without_a_network() {
    let sandbox = Sandbox::with_shop();
    let (report, run) = explore(&sandbox, "--strategy bfs", 1);
    let browser = opened(&sandbox, &report);
    assert_eq!(
        browser.text("#verdict h1"),
        run["headline"].as_str().unwrap()
    );
    assert_eq!(
        browser.text("#verdict .repeat code"),
        run["repeat"].as_str().unwrap()
    );

    let violations = items(&run["violations"]);
    for (position, violation) in violations.iter().enumerate() {
        let entry = format!(".violations li:nth-child({}) button", position + 1);
        let shown = browser.text(&entry);
        for field in ["name", "message"] {
            assert!(
                shown.contains(violation[field].as_str().unwrap()),
                "{shown}"
            );
        }
        assert!(
            shown.contains("CONFIRMED") || shown.contains("confirmed"),
            "{shown}"
        );
        browser.click(&entry);
        let path = items(&violation["path"]);
        let names = browser.script(
            "return [...document.querySelectorAll('.steps .name')].map((name) => name.textContent)",
        );
        let expected: Vec<&Value> = path.iter().map(|step| &step["action"]).collect();
        assert_eq!(names, json!(expected));

        // The breaking step comes first, with what proves it.
        let step = browser.text(".step");
        let last = path.last().unwrap();
        assert!(
            step.contains(&format!(
                "This step breaks {}",
                violation["name"].as_str().unwrap()
            )),
            "{step}"
        );
        for header in violation["evidence"]["columns"]
            .as_array()
            .into_iter()
            .flatten()
        {
            assert!(
                browser.text(".proof").contains(header.as_str().unwrap()),
                "{step}"
            );
        }
        assert!(
            step.contains(last["request"]["target"].as_str().unwrap()),
            "{step}"
        );
        assert!(
            step.contains(&last["response"]["status"].to_string()),
            "{step}"
        );
        for change in items(&last["rows"]) {
            assert!(step.contains(change["table"].as_str().unwrap()), "{step}");
        }
    }
    let asked = browser.requests();
    assert!(
        !asked.is_empty()
            && asked
                .iter()
                .all(|url| url.starts_with("file://") || url.starts_with("data:")),
        "{asked:?}"
    );
    assert_quiet(&browser);
}

#[test]
fn an_update_shows_both_rows_with_the_changed_cells_marked() {
    let sandbox = Sandbox::with_shop();
    let (report, run) = explore(&sandbox, "--strategy bfs", 1);
    let updates = |step: &Value| {
        let rows = items(&step["rows"]);
        rows.iter()
            .any(|row| !row["before"].is_null() && !row["after"].is_null())
    };
    let violations = items(&run["violations"]);
    let (number, at) = violations
        .iter()
        .enumerate()
        .find_map(|(number, violation)| {
            let at = items(&violation["path"]).iter().position(updates)?;
            Some((number + 1, at + 1))
        })
        .unwrap();
    let browser = opened(&sandbox, &report);
    browser.click(&format!(".violations li:nth-child({number}) button"));
    browser.click(&format!(".steps li:nth-child({at}) button"));
    let marked = browser.script(
        "return ['before', 'after'].map((side) => [...document.querySelectorAll(`.step .update.${side} mark`)].map((mark) => mark.textContent))",
    );
    let [before, after] = [&marked[0], &marked[1]].map(|cells| items(cells));
    assert!(
        !before.is_empty() && before.len() == after.len() && before != after,
        "{marked}"
    );
    assert!(
        browser
            .script("return document.querySelectorAll('.step td.ignored').length")
            .as_u64()
            > Some(0)
    );
    assert_quiet(&browser);
}

#[test]
fn everything_can_be_reached_by_keys() {
    let sandbox = Sandbox::with_shop();
    let (report, run) = explore(&sandbox, "--strategy bfs", 1);
    let violations = items(&run["violations"]);
    let browser = opened(&sandbox, &report);
    let current = || {
        browser
            .script("return document.querySelector('.steps [aria-current] .number').textContent")
            .as_str()
            .unwrap()
            .to_owned()
    };

    let length = items(&violations[0]["path"]).len();
    assert_eq!(current(), length.to_string());
    browser.press(['k']);
    assert_eq!(current(), (length - 1).to_string());
    browser.press(['j']);
    assert_eq!(current(), length.to_string());
    browser.press(['n']);
    assert_eq!(
        browser.text(".path-head h2"),
        violations[1]["name"].as_str().unwrap()
    );
    browser.press(['p']);
    assert_eq!(
        browser.text(".path-head h2"),
        violations[0]["name"].as_str().unwrap()
    );
    let said = browser.script("return document.getElementById('said').textContent");
    assert!(
        said.as_str().unwrap().starts_with("violation 1 of"),
        "{said}"
    );

    // With Tab through the whole page: the first stop is the link over the rest, and no stop is invisible.
    browser.script("document.activeElement.blur()");
    browser.press([key::TAB]);
    assert_eq!(
        browser.script("return document.activeElement.className"),
        "skip"
    );
    for _ in 0..25 {
        browser.press([key::TAB]);
        let visible = browser.script(
            "const { activeElement: at } = document; const box = at.getBoundingClientRect(); \
             return at === document.body || (box.width > 1 && box.height > 1 && getComputedStyle(at).outlineStyle !== 'none')",
        );
        assert_eq!(
            visible,
            true,
            "{}",
            browser.script("return document.activeElement.outerHTML")
        );
    }

    // The graph: search, then along the transitions.
    browser.press("/refunds".chars());
    browser.wait_until("document.querySelector('.hits').textContent.includes(' of ')");
    let first = browser.script("return venomqa.graph.state");
    assert!(first.as_u64() > Some(0), "{first}");
    browser.press([key::ENTER]);
    assert_ne!(browser.script("return venomqa.graph.state"), first);
    browser.press([key::ESCAPE]);
    assert_eq!(
        browser.script("return document.activeElement.tagName"),
        "CANVAS"
    );
    browser.press([key::ESCAPE]);
    assert_eq!(browser.script("return venomqa.graph.state"), -1);
    browser.press([key::RIGHT]);
    assert_eq!(browser.script("return venomqa.graph.state"), 0);
    browser.press([key::RIGHT]);
    let ahead = browser.script("return venomqa.graph.state");
    assert_eq!(
        browser.script("return venomqa.run.depth[venomqa.graph.state]"),
        1
    );
    browser.press([key::DOWN]);
    assert_ne!(browser.script("return venomqa.graph.state"), ahead);
    browser.press([key::LEFT]);
    assert_eq!(browser.script("return venomqa.graph.state"), 0);
    browser.press([key::RIGHT, key::ENTER]);
    assert_eq!(
        browser.script("return document.activeElement.closest('.side') !== null"),
        true
    );
    browser.press([key::ENTER]);
    assert_eq!(
        browser.script("return document.querySelectorAll('.steps li').length"),
        1
    );

    browser.press(['?']);
    assert_eq!(
        browser.script("return document.getElementById('keys').open"),
        true
    );
    browser.press([key::ESCAPE]);
    assert_eq!(
        browser.script("return document.getElementById('keys').open"),
        false
    );
    assert_quiet(&browser);
}

#[test]
fn search_and_filters_tell_what_they_leave() {
    let sandbox = Sandbox::with_shop();
    let (report, run) = explore(&sandbox, "--strategy bfs", 1);
    let browser = opened(&sandbox, &report);
    browser.click("#tab-graph");
    let shown = || browser.script("return venomqa.graph.view.dimmed?.shown ?? null");
    assert_eq!(shown(), Value::Null);

    let action = &run["actions"][0];
    let choose = |field: &str, value: &str| {
        browser.script(&format!(
            "const field = document.getElementById('{field}'); field.value = '{value}'; field.dispatchEvent(new Event('change'))"
        ));
    };
    choose("by-action", "0");
    assert_eq!(shown(), action["runs"]);
    choose("by-status", "201");
    assert_eq!(shown(), action["statuses"]["201"]);
    choose("by-action", "");
    choose("by-status", "");
    browser.click("#only-violations");
    let seen: u64 = items(&run["violations"])
        .iter()
        .map(|found| found["occurrences"].as_u64().unwrap())
        .sum();
    let left = shown().as_u64().unwrap();
    assert!(left > 0 && left <= seen, "{left} of {seen}");

    // A text of an answer is found in exactly the states that steps with this text led to.
    browser.click("#search");
    browser.press("out_of_stock".chars());
    browser.press([key::ENTER]);
    let found = browser.script("return venomqa.graph.search.find('out_of_stock').steps.size");
    let with_text = browser.script("return Array.from({ length: venomqa.run.length }, (_, step) => venomqa.run.exchange(step)).filter((seen) => JSON.stringify(seen).includes('out_of_stock')).length");
    assert_eq!(found, with_text);
    assert!(found.as_u64() > Some(0));
    assert_eq!(
        browser.script("return venomqa.graph.search.find('no such text anywhere').states.length"),
        0
    );
    assert_quiet(&browser);
}

#[test]
fn a_click_on_a_state_or_a_transition_tells_about_it() {
    let sandbox = Sandbox::with_shop();
    let (report, _) = explore(&sandbox, "--strategy bfs --max-steps 12", 0);
    let browser = opened(&sandbox, &report);
    let point = |of: &str| {
        let place = browser.script(&format!(
            "const {{ canvas, layout, camera }} = venomqa.graph.view; const box = canvas.getBoundingClientRect(); const [x, y] = {of}; \
             return [box.left + x * camera.scale + camera.x, box.top + y * camera.scale + camera.y]"
        ));
        (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
    };
    let (x, y) = point("[layout.x[1], layout.y[1]]");
    browser.click_at(x, y);
    assert!(browser.text(".side h2").starts_with("State 1"));
    let side = browser.text(".side");
    for part in [
        "Extracted on the path",
        "Rows that differ from the initial state",
        "Transitions onward",
    ] {
        assert!(side.contains(part), "{side}");
    }
    let (x, y) = point("[(layout.x[0] + layout.x[1]) / 2, (layout.y[0] + layout.y[1]) / 2]");
    browser.click_at(x, y);
    assert_eq!(browser.text(".side h2"), "Transition");
    assert!(browser.text(".side").contains("from state 0 to state 1"));
    assert_quiet(&browser);
}

#[test]
fn what_earlier_runs_found_is_named_with_what_became_of_it() {
    let sandbox = Sandbox::with_shop();
    explore(&sandbox, "--strategy bfs", 1);
    let (report, again) = explore(&sandbox, "--strategy bfs", 1);
    let before = sandbox.path("before.html");
    std::fs::rename(&report, &before).unwrap();
    let (after, _) = explore(&sandbox, "--set bugs=none --max-steps 5", 0);

    let browser = opened(&sandbox, &before);
    let shown = browser.text(".corpus");
    let known = items(&again["corpus"]);
    assert!(!known.is_empty(), "{again:#}");
    for found in known {
        let name = found["name"].as_str().unwrap();
        assert!(shown.contains(&format!("still failing {name}")), "{shown}");
    }
    browser.open(&after);
    let shown = browser.text(".corpus");
    assert_eq!(shown.matches("fixed ").count(), known.len(), "{shown}");
    assert_quiet(&browser);
}

//! What people who see little, hear the page, or hold it in one hand get of it.

use serde_json::json;

use super::{assert_quiet, explore, opened};
use crate::support::Sandbox;

/// Texts whose colour is not far enough from what they stand on, as WCAG 2 counts it, with the ratio.
const POOR_CONTRAST: &str = r"
const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const known = new Map();
const numbers = (color) => {
  if (!known.has(color)) {
    probe.clearRect(0, 0, 1, 1); probe.fillStyle = color; probe.fillRect(0, 0, 1, 1);
    known.set(color, [...probe.getImageData(0, 0, 1, 1).data]);
  }
  return known.get(color);
};
const alpha = (color) => numbers(color)[3] && 1;
const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const poor = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || element.closest('script, noscript, dialog:not([open]), .unseen, .skip, option') || !element.checkVisibility() || element.closest(':disabled')) continue;
  const style = getComputedStyle(element);
  let behind = element;
  while (behind && alpha(getComputedStyle(behind).backgroundColor) === 0) behind = behind.parentElement;
  if (behind && getComputedStyle(behind).backgroundColor.startsWith('color(')) continue;
  const [text, ground] = [numbers(style.color), numbers(behind ? getComputedStyle(behind).backgroundColor : 'white')].map(luminance);
  const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
  if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${style.color} ${element.className} ${element.textContent.slice(0, 40)}`);
}
return poor;
";

#[test]
fn dark_and_light_differ_and_both_can_be_read() {
    let sandbox = Sandbox::with_shop();
    let (report, _) = explore(&sandbox, "--strategy bfs", 1);
    let browser = opened(&sandbox, &report);
    let ground = || {
        browser.script("return [getComputedStyle(document.documentElement).backgroundColor, venomqa.graph.view.colors.canvas]")
    };
    browser.press(['2']);
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        // Without motion colours change at once.
        browser.emulate(&[
            ("prefers-color-scheme", scheme),
            ("prefers-reduced-motion", "reduce"),
        ]);
        browser.wait_until(&format!(
            "matchMedia('(prefers-color-scheme: {scheme})').matches"
        ));
        for view in ['1', '2', '3', '4'] {
            browser.press([view]);
            let poor = browser.script(POOR_CONTRAST);
            assert_eq!(poor, json!([]), "{scheme}, view {view}");
        }
        grounds.push(ground());
    }
    assert_ne!(grounds[0][0], grounds[1][0]);
    assert_ne!(grounds[0][1], grounds[1][1], "the graph");

    // By the button: dark, then light, whatever the system says.
    browser.click("#theme");
    assert_eq!(ground(), grounds[1]);
    browser.click("#theme");
    assert_eq!(ground(), grounds[0]);
    assert_eq!(browser.text("#theme"), "Theme: light");
    assert_quiet(&browser);
}

#[test]
fn every_control_has_a_name_and_every_reference_an_end() {
    let sandbox = Sandbox::with_shop();
    let (report, _) = explore(&sandbox, "--strategy bfs", 1);
    let browser = opened(&sandbox, &report);
    for view in ['1', '2', '3', '4', '?'] {
        browser.press([view]);
        if view == '2' {
            browser.script("venomqa.graph.choose(2, -1)");
        }
        let controls = browser.roles_and_names();
        // In the dialog with all keys there is only a button beside the dialog and the page.
        assert!(controls.len() > 2, "view {view}: {controls:?}");
        for (role, name) in &controls {
            assert!(
                !name.trim().is_empty(),
                "view {view}: a {role} without a name"
            );
        }
    }
    let broken = browser.script(
        "const ids = [...document.querySelectorAll('[id]')].map((element) => element.id); \
         const twice = ids.filter((id, at) => ids.indexOf(id) !== at); \
         const nowhere = ['aria-controls', 'aria-labelledby', 'aria-describedby', 'for'].flatMap((name) => \
           [...document.querySelectorAll(`[${name}]`)].map((element) => element.getAttribute(name)).filter((id) => !ids.includes(id))); \
         return { twice, nowhere, language: document.documentElement.lang, mains: document.querySelectorAll('main').length, \
                  headings: document.querySelectorAll('h1').length, tabs: document.querySelectorAll('[role=tab][aria-selected=true]').length }",
    );
    assert_eq!(
        broken,
        json!({ "twice": [], "nowhere": [], "language": "en", "mains": 1, "headings": 1, "tabs": 1 })
    );
    assert_quiet(&browser);
}

#[test]
fn a_phone_scrolls_in_one_direction_only() {
    let sandbox = Sandbox::with_shop();
    let (report, _) = explore(&sandbox, "--strategy bfs", 1);
    let browser = opened(&sandbox, &report);
    browser.resize(400, 800);
    for view in ['1', '2', '3', '4'] {
        browser.press([view]);
        let width = browser.script("return document.documentElement.scrollWidth");
        assert!(width.as_u64() <= Some(400), "view {view}: {width} pixels");
    }
    assert_quiet(&browser);
}

//! A real browser: headless Chromium, driven through chromedriver.
//!
//! The protocol `WebDriver` is JSON over HTTP on this machine. The few commands that the tests need are written out here; a client crate
//! would bring dozens of packages and still lack Chromium's own commands (its log, emulated media).

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use serde_json::{Value, json};

use super::{PATIENCE, Running, Sandbox, eventually};

/// As root and without a network: Chromium's own sandbox needs another user, and what it does in the background would wait
/// for hosts that do not answer.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,900",
];

/// Keys that have no character, as `WebDriver` writes them.
pub(crate) mod key {
    pub(crate) const TAB: char = '\u{e004}';
    pub(crate) const ENTER: char = '\u{e007}';
    pub(crate) const ESCAPE: char = '\u{e00c}';
    pub(crate) const LEFT: char = '\u{e012}';
    pub(crate) const RIGHT: char = '\u{e014}';
    pub(crate) const DOWN: char = '\u{e015}';
}

/// A browser with one page. Dropped, it is closed.
pub(crate) struct Browser {
    port: u16,
    session: String,
    _driver: Running,
}

impl Browser {
    /// Starts a browser in the sandbox's surroundings.
    #[track_caller]
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command("chromedriver");
        command.arg("--port=0");
        assert!(
            command.get_program() == "chromedriver" && on_path("chromedriver"),
            "the tests of the HTML report need chromedriver and Chromium; `tests/run` installs them"
        );
        let mut driver = Running::spawn(&mut command, sandbox.dir());
        let said = driver.wait_for_stdout("started successfully on port");
        let port = said.rsplit("on port ").next().unwrap();
        let port = port.trim().trim_end_matches('.').parse().unwrap();
        let mut browser = Self {
            port,
            session: String::new(),
            _driver: driver,
        };
        let opened = browser.call(
            "POST",
            "/session",
            &json!({ "capabilities": { "alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": { "args": FLAGS },
                "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            } } }),
        );
        browser.session = opened["sessionId"].as_str().unwrap().into();
        browser
    }

    /// Opens a file.
    #[track_caller]
    pub(crate) fn open(&self, file: &Path) {
        let url = url::Url::from_file_path(file).unwrap();
        self.post("/url", &json!({ "url": url.as_str() }));
    }

    /// What a script returns.
    #[track_caller]
    pub(crate) fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of the first element that matches, as it is shown.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let path = format!("/element/{}/text", self.element(selector));
        self.get(&path).as_str().unwrap().to_owned()
    }

    /// Clicks in the middle of the first element that matches.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let path = format!("/element/{}/click", self.element(selector));
        self.post(&path, &json!({}));
    }

    /// Clicks at a point of the window.
    #[track_caller]
    pub(crate) fn click_at(&self, x: f64, y: f64) {
        self.post(
            "/actions",
            &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": [
                { "type": "pointerMove", "duration": 0, "x": x.round() as i64, "y": y.round() as i64 },
                { "type": "pointerDown", "button": 0 },
                { "type": "pointerUp", "button": 0 },
            ] }] }),
        );
    }

    /// Presses keys, one after the other, wherever the focus is.
    #[track_caller]
    pub(crate) fn press(&self, keys: impl IntoIterator<Item = char>) {
        let actions: Vec<Value> = keys
            .into_iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        self.post(
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }),
        );
    }

    /// Waits until a script returns something true.
    #[track_caller]
    pub(crate) fn wait_until(&self, script: &str) {
        eventually(script, || {
            (self.script(&format!("return Boolean({script})")) == true).then_some(())
        });
    }

    /// The role and the name that assistive technology is told of each element that can have the focus.
    #[track_caller]
    pub(crate) fn roles_and_names(&self) -> Vec<(String, String)> {
        let tree = self.chromium("Accessibility.getFullAXTree", &json!({}));
        let can_have_focus = |node: &&Value| {
            let mut properties = node["properties"].as_array().into_iter().flatten();
            node["ignored"] == false
                && properties
                    .any(|known| known["name"] == "focusable" && known["value"]["value"] == true)
        };
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().unwrap().iter();
        nodes
            .filter(can_have_focus)
            .map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }

    /// What the browser's console holds: errors, warnings, refusals of the page's policy.
    #[track_caller]
    pub(crate) fn console(&self) -> Vec<String> {
        self.log("browser")
            .iter()
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Addresses that were asked for since the last look, whoever answered.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<String> {
        self.log("performance")
            .iter()
            .filter_map(|line| {
                let event: Value = serde_json::from_str(line["message"].as_str()?).unwrap();
                let event = &event["message"];
                (event["method"] == "Network.requestWillBeSent").then(|| {
                    event["params"]["request"]["url"]
                        .as_str()
                        .map(str::to_owned)
                })?
            })
            .collect()
    }

    /// Lets the page believe that the user asked for these: `prefers-color-scheme`, `dark`.
    #[track_caller]
    pub(crate) fn emulate(&self, features: &[(&str, &str)]) {
        let features: Vec<Value> = features
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let parameters = json!({ "features": features });
        self.chromium("Emulation.setEmulatedMedia", &parameters);
    }

    /// Gives the page a window of this many pixels.
    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let parameters =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium("Emulation.setDeviceMetricsOverride", &parameters);
    }

    #[track_caller]
    fn chromium(&self, command: &str, parameters: &Value) -> Value {
        let call = json!({ "cmd": command, "params": parameters });
        self.post("/goog/cdp/execute", &call)
    }

    #[track_caller]
    fn log(&self, kind: &str) -> Vec<Value> {
        let lines = self.post("/se/log", &json!({ "type": kind }));
        lines.as_array().unwrap().clone()
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let query = json!({ "using": "css selector", "value": selector });
        id_of(&self.post("/element", &query))
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.call("GET", &path, &Value::Null)
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.call("POST", &path, body)
    }

    /// One command on a connection of its own. Fails the test where the driver says no.
    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, body).unwrap();
        let value = answer["value"].clone();
        assert!(
            value["error"].is_null(),
            "{method} {path} {body}: {}: {}",
            value["error"],
            value["message"].as_str().unwrap_or_default()
        );
        value
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n",
            self.port
        );
        // Writing to a string cannot fail.
        let _ = write!(
            request,
            "connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser is a child of the driver: it must be told to go before the driver is killed. A test that fails kills
        // both through its sandbox.
        let path = format!("/session/{}", self.session);
        let _ = self.send("DELETE", &path, &Value::Null);
    }
}

fn id_of(element: &Value) -> String {
    let mut ids = element.as_object().unwrap().values();
    ids.find_map(Value::as_str).unwrap().to_owned()
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

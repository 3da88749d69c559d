//! Reproductions as scripts, and the real hurl that runs some.

use std::path::{Path, PathBuf};

use super::{Finished, Running, Sandbox, Server};

/// Where `tests/run` installs it, or wherever the path leads.
pub(crate) fn hurl() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hurl/bin/hurl");
    if installed.is_file() {
        return installed;
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .map(|folder| folder.join("hurl"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!(
                "there is no hurl: `tests/run` installs it, `cargo install hurl` does it by hand"
            )
        })
}

/// Runs a script of a reproduction against a service.
pub(crate) fn run_script(
    sandbox: &Sandbox,
    language: &str,
    script: &str,
    server: &Server,
) -> Finished {
    sandbox.write("script", script);
    let mut command = if language == "curl" {
        let mut command = sandbox.command("sh");
        command.arg("script").env("BASE_URL", server.url());
        command
    } else {
        let mut command = sandbox.command(hurl());
        let url = format!("base_url={}", server.url());
        command.args(["--test", "--variable", &url, "script"]);
        command
    };
    Running::spawn(&mut command, sandbox.dir()).wait()
}

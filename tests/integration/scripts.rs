//! Reproductions as programs for curl and for hurl, run by the real programs against a real service.

use std::path::Path;

use crate::support::{Finished, Running, Sandbox, Server, hurl, vault};

/// Explores the vault until its bug is found, and prints what was found in this language.
fn script(sandbox: &Sandbox, language: &str) -> String {
    let server = vault::start(sandbox, "a", true);
    sandbox
        .venomqa("explore --strategy bfs --max-steps 60")
        .env("VAULT_URL", server.url())
        .env("VAULT_KEY", vault::KEY)
        .run()
        .code(1);
    // The path as it was found is short; a longer one shows more of the languages.
    let file = ".venomqa/never_more_than_two_copies-copy_note.yaml";
    let text = sandbox.read(file);
    let longer = text
        .replace(
            "path:\n",
            "path:\n  - action: read_first\n    request: GET /\n    status: 200\n",
        )
        .replace("actions:\n", &format!("actions:\n{MORE}"));
    let longer = format!(
        "{}{}",
        longer.replace("\nvariables:", &format!("{LATER}\nvariables:")),
        ""
    );
    sandbox.write("longer.yaml", &longer.replace("folder: ..", "folder: ."));
    let finished = sandbox
        .venomqa(format!("replay longer.yaml --to {language}"))
        .env("VAULT_KEY", vault::KEY)
        .env("VENOMQA_PASSWORD", vault::PASSWORD)
        .run()
        .code(0);
    for secret in vault::SECRETS {
        assert!(!finished.stdout.contains(secret), "{finished}");
    }
    finished.stdout
}

const MORE: &str = "  - name: read_first
    request: { path: / }
  - name: rename_note
    request: { method: PUT, path: \"{{ location }}\", form: { title: \"a&b={{ note_id }}\" } }
  - name: read_note
    request: { path: \"{{ location }}\" }
";

const LATER: &str = "  - action: rename_note
    request: PUT /notes/a-1
    status: 200
  - action: read_note
    request: GET /notes/a-1
    status: 200
";

fn run(sandbox: &Sandbox, server: &Server, program: &Path, arguments: &[&str]) -> Finished {
    let mut command = sandbox.command(program);
    command
        .args(arguments)
        .env("VAULT_URL", server.url())
        .env("VAULT_KEY", vault::KEY)
        .env("VENOMQA_PASSWORD", vault::PASSWORD);
    Running::spawn(&mut command, sandbox.dir()).wait()
}

/// A service whose database is as it was before everything, and whose ids are other ones.
fn fresh(sandbox: &Sandbox, bug: bool) -> Server {
    std::fs::remove_file(sandbox.path("vault.db")).unwrap();
    vault::start(sandbox, "z", bug)
}

#[test]
fn a_shell_script_with_curl_takes_the_same_path() {
    let sandbox = Sandbox::with_spec(vault::SPEC);
    let script = script(&sandbox, "curl");
    sandbox.write("repro.sh", &script);
    let server = fresh(&sandbox, true);
    run(&sandbox, &server, Path::new("sh"), &["repro.sh"])
        .code(1)
        .says(&[
            "setup 1: 200",
            "copy_note(times=2): 201",
            "rename_note: 200",
            "read_note: 200",
        ]);
    server.stop();
    let server = fresh(&sandbox, false);
    run(&sandbox, &server, Path::new("sh"), &["repro.sh"])
        .code(3)
        .complains(&["201 was expected; the answer is"]);
    insta::assert_snapshot!(script);
}

#[test]
fn a_hurl_file_takes_the_same_path() {
    let sandbox = Sandbox::with_spec(vault::SPEC);
    let script = script(&sandbox, "hurl");
    sandbox.write("repro.hurl", &script);
    let arguments = |server: &Server| {
        [
            "--test".to_owned(),
            "--variable".to_owned(),
            format!("base_url={}", server.url()),
            "--variable".to_owned(),
            format!("VAULT_KEY={}", vault::KEY),
            "--variable".to_owned(),
            format!("VENOMQA_PASSWORD={}", vault::PASSWORD),
            "--variable".to_owned(),
            "VAULT_LIMIT=2".to_owned(),
            "repro.hurl".to_owned(),
        ]
    };
    let server = fresh(&sandbox, true);
    let words = arguments(&server);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(&sandbox, &server, &hurl(), &words)
        .code(4)
        .complains(&["status != 200"]);
    server.stop();
    let server = fresh(&sandbox, false);
    let words = arguments(&server);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(&sandbox, &server, &hurl(), &words)
        .code(4)
        .complains(&["HTTP 201"]);
    insta::assert_snapshot!(script);
}

#[test]
fn what_a_language_cannot_say_is_refused_with_the_reason() {
    let sandbox = Sandbox::with_spec(vault::SPEC);
    script(&sandbox, "curl");
    let text = sandbox.read("longer.yaml").replace(
        "path: \"{{ location }}\" }",
        "path: \"{{ location }}?{{ token | upper }}\" }",
    );
    sandbox.write("longer.yaml", &text);
    sandbox
        .venomqa("replay longer.yaml --to hurl")
        .env("VAULT_KEY", vault::KEY)
        .env("VENOMQA_PASSWORD", vault::PASSWORD)
        .run()
        .code(2)
        .complains(&["is computed, which only venomqa can do"]);
}

//! The commands beside `explore` and `validate`.

use crate::support::Sandbox;

#[test]
fn help_shows_every_command_and_the_exit_codes() {
    let sandbox = Sandbox::new();
    let help = sandbox.venomqa("--help").run().code(0);
    assert_eq!(help.stderr, "");
    insta::assert_snapshot!(help.stdout, @r#"
    Finds bugs that live in sequences of API calls.

    venomqa reads a spec (actions, invariants), starts or finds the service, and walks the graph of its
    reachable states. Between branches it puts the service's database back to the exact earlier state.
    Every violation comes with a confirmed path and the rows that prove it.

    Usage: venomqa [OPTIONS] <COMMAND>

    Commands:
      explore         Explore a service and report what is wrong with it
      validate        Check specs without starting anything
      init            Write a commented starter spec, `venomqa.yaml`
      demo            Explore the built-in shop and find the bugs planted in it
      replay          Run a reproduction again: the minimal path of a violation that was found before
      restore         Put databases back that a killed run changed, and end what it left running
      report          Render finished runs again from their logs, or merge those of a CI matrix
      explain-states  Say why two states of a finished run are the same or not
      schema          Print the JSON Schema of the spec, for editors
      completions     Print a completion script for a shell
      help            Print this message or the help of the given subcommand(s)

    Options:
          --color <WHEN>
              When to use colours; `auto` means on a terminal, unless `NO_COLOR` is set
              
              [default: auto]
              [possible values: auto, always, never]

      -v, --verbose
              Show of every violation all rows, headers and bodies, not only the essential

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Exit codes: 0 no violation, 1 violations, 2 wrong usage or spec, 3 the run could not be trusted or
    carried out, 130 interrupted.
    "#);
}

#[test]
fn without_a_command_help_is_on_stderr() {
    let sandbox = Sandbox::new();
    let finished = sandbox
        .venomqa(Vec::<&str>::new())
        .run()
        .code(2)
        .complains(&["Usage: venomqa", "explore"]);
    assert_eq!(finished.stdout, "");
}

#[test]
fn the_version_is_that_of_the_crate() {
    let sandbox = Sandbox::new();
    let version = sandbox.venomqa("--version").run().code(0);
    assert_eq!(
        version.stdout,
        format!("venomqa {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn init_writes_a_spec_that_is_valid_and_never_overwrites_one() {
    let sandbox = Sandbox::new();
    sandbox.venomqa("init").run().code(0);
    let written = sandbox.read("venomqa.yaml");
    sandbox.venomqa("validate").run().code(0).says(&["valid"]);
    sandbox.write("venomqa.yaml", &format!("{written}# mine now\n"));
    sandbox
        .venomqa("init")
        .run()
        .code(2)
        .complains(&["`venomqa.yaml` exists already"]);
    assert!(sandbox.read("venomqa.yaml").ends_with("# mine now\n"));
}

#[test]
fn the_demo_finds_bugs_and_leaves_nothing_in_the_folder() {
    let sandbox = Sandbox::new();
    sandbox
        .venomqa("demo --strategy bfs --max-steps 200")
        .run()
        .code(1)
        .says(&["every_order_line_has_its_product"]);
    let mut left: Vec<_> = std::fs::read_dir(sandbox.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["home", "tmp"]);
}

#[test]
fn the_spec_of_the_demo_is_the_one_in_the_tree() {
    let sandbox = Sandbox::new();
    let printed = sandbox.venomqa("demo spec").run().code(0);
    assert_eq!(printed.stdout, include_str!("../../specs/shop.yaml"));
}

#[test]
fn completions_are_printed_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        sandbox
            .venomqa(["completions", shell])
            .run()
            .code(0)
            .says(&["explore", "max-steps"]);
    }
    let unread = sandbox.venomqa("completions bash").run_unread().code(0);
    assert_eq!(unread.stderr, "");
}

#[test]
fn restore_has_nothing_to_do_where_no_run_was_killed() {
    let sandbox = Sandbox::new();
    sandbox
        .venomqa("restore --sqlite no-such.db")
        .run()
        .complains(&["no-such.db"]);
    assert!(!sandbox.path("no-such.db").exists());
}

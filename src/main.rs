//! The program: gathers what it can know of its surroundings, runs the command line, ends with its exit code.

use std::process::ExitCode;

use venomqa::cli;

fn main() -> ExitCode {
    // Every TLS connection needs a provider, and reqwest is built without one. It can be installed only once, so a second
    // installation is the only way to fail, and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::run(&cli::Surroundings::of_this_process()).into()
}

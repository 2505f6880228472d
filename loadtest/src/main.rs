//! The binary: hands the command line to the library and its error to the operator.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringmain_loadtest::cli::main()
}

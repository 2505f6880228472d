//! Subcommands and flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// OCPP connection gateway, roaming hub and charging management system.
#[derive(Debug, Parser)]
#[command(name = "ringmain", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node.
    Serve(ServeArgs),
    /// Run a node with a simulated fleet, to look around.
    Demo(ServeArgs),
    /// Bring the store's schema up to date, as the role that owns it, say who may do what, and end.
    Migrate(MigrateArgs),
    /// Write months of facts that are over to Parquet files, and drop them from the database (PostgreSQL, as its owner).
    Archive(ArchiveArgs),
    /// Read the configuration, say what is wrong with it, and end.
    CheckConfig(ConfigArgs),
    /// Keys and certificates of the development CA.
    Pki {
        /// What to do.
        #[command(subcommand)]
        command: PkiCommand,
    },
    /// API keys, without a running node.
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Price an OCPI bill record (2.1.1, 2.2.1 or 2.3.0) by its tariff; its own costs are not read.
    Price(PriceArgs),
    /// Share a site's current with the planner alone: a replay on standard input and output, or one-shot problems from a file.
    Plan(PlanArgs),
    /// Print the version.
    Version,
}

/// Where the configuration comes from: file, then `RINGMAIN_*` variables, then flags.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// A TOML file; see docs/generated/configuration.md for its keys.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the embedded store, certificates and secrets live.
    #[arg(long, value_name = "PATH")]
    pub data_dir: Option<PathBuf>,
}

/// Who may do what on a PostgreSQL, beside bringing its schema up to date.
#[derive(Debug, Clone, Default, Args)]
pub struct MigrateArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Lets this role run nodes: it works on rows and cannot change the schema. May be given several times.
    #[arg(long = "grant-app", value_name = "ROLE")]
    pub app_roles: Vec<String>,
    /// Lets this role read the views of the schema `reporting`, and nothing else. May be given several times.
    #[arg(long = "grant-read", value_name = "ROLE")]
    pub read_roles: Vec<String>,
}

/// What to archive.
#[derive(Debug, Clone, Args)]
pub struct ArchiveArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Everything that is over before this month begins (UTC).
    #[arg(long, value_name = "YYYY-MM")]
    pub before: String,
    /// The folder for the files; it must exist.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Only this table: events, messages or audit_events. May be given several times; all of them when absent.
    #[arg(long = "fact", value_name = "TABLE")]
    pub facts: Vec<String>,
    /// Write and verify the files, and drop nothing.
    #[arg(long)]
    pub keep: bool,
}

/// What to price.
#[derive(Debug, Clone, Args)]
pub struct PriceArgs {
    /// The tariff as JSON; the ones in the record when absent.
    #[arg(long, value_name = "FILE")]
    pub tariff: Option<PathBuf>,
    /// The record as JSON.
    #[arg(long, value_name = "FILE")]
    pub cdr: PathBuf,
    /// The location's time zone by its IANA name; the record's when absent.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// The record is of a reservation that nobody came for; no field of it says so.
    #[arg(long)]
    pub reservation_expired: bool,
}

/// What to plan; without a file, one JSON object a line on standard input, each answered by one (docs/charging.md).
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Answer the problems in this file instead.
    #[arg(long, value_name = "FILE", conflicts_with = "trusted")]
    pub snapshot: Option<PathBuf>,
    /// Take the departures of a replay as answered for: such cars are served before the others. Not for what drivers state.
    #[arg(long)]
    pub trusted: bool,
}

/// How a node runs.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Creates an administrator API key with this token, once (also: RINGMAIN_BOOTSTRAP_TOKEN).
    #[arg(long, value_name = "TOKEN")]
    pub bootstrap_token: Option<String>,
    /// Writes the bound addresses as JSON to this file once the node is ready.
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
}

/// What to do with the development CA.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Make a CA and a server certificate (ECDSA P-256) in the data folder, unless they are there and good.
    Init {
        /// Where the configuration comes from.
        #[command(flatten)]
        config: ConfigArgs,
        /// A host name or address of the server; may be given several times. Default: those it has, at first localhost, 127.0.0.1, ::1.
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
    },
    /// Issue a certificate for a station.
    Station {
        /// Where the configuration comes from.
        #[command(flatten)]
        config: ConfigArgs,
        /// The station's identity or serial number: the certificate's common name.
        identity: String,
        /// The operator: the certificate's organization.
        #[arg(long, default_value = "Ringmain development")]
        organization: String,
        /// The folder for `IDENTITY.pem` and `IDENTITY.key`.
        #[arg(long, value_name = "PATH", default_value = ".")]
        out: PathBuf,
    },
    /// Issue a certificate for a node of a cluster, by a CA that signs nothing else.
    Node {
        /// The folder of the cluster's CA, which is made if there is none; keep it away from the nodes.
        #[arg(long, value_name = "PATH")]
        ca: PathBuf,
        /// The folder for `node.pem`, `node.key` and `cluster-ca.pem`.
        #[arg(long, value_name = "PATH", default_value = ".")]
        out: PathBuf,
    },
}

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make an API key and print its token once.
    Create {
        /// Where the configuration comes from.
        #[command(flatten)]
        config: ConfigArgs,
        /// What the key is for.
        #[arg(long)]
        name: String,
        /// administrator, operator or viewer.
        #[arg(long, default_value = "viewer")]
        role: String,
    },
    /// List API keys; tokens are not stored and cannot be listed.
    List {
        /// Where the configuration comes from.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Revoke an API key.
    Revoke {
        /// Where the configuration comes from.
        #[command(flatten)]
        config: ConfigArgs,
        /// The key's id.
        id: uuid::Uuid,
    },
}

//! The command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::address::Upstream;
use super::given::Flags;
use super::keys::KEYS;

/// An authorization gateway for MCP servers: verifies who calls, decides by policy, forwards the bytes it judged.
#[derive(Debug, Parser)]
#[command(name = "toolgate", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

const EXAMPLES: &str = "\
Examples:
  toolgate demo
  toolgate serve --upstream http://127.0.0.1:9000/mcp --policy policy.yaml \\
      --issuer https://idp.example.com --jwks-file jwks.json --public-url https://mcp.example.com/mcp
  toolgate policy check policy.yaml
  toolgate policy test policy.yaml
  toolgate token --sub alice --scope public:read

Exit codes: 0 done, 1 failed, 64 wrong usage, 78 wrong configuration or policy.";

const SERVE_EXAMPLES: &str = "\
A flag beats its environment variable, and that beats the key of the same name in the file.

Examples:
  toolgate serve --config toolgate.yaml
  toolgate serve --upstream unix:/run/mcp/server.sock#/mcp --policy policy.yaml \\
      --issuer prototype --secret-file secret --audience https://mcp.example.com/mcp
  TOOLGATE_LIMITS_BODY=1MiB toolgate serve --config toolgate.yaml";

/// What toolgate can do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Show it working: gateway, sample server and development keys in one process
    Demo(DemoArgs),
    /// Run the gateway
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Mint a development token
    #[command(
        after_help = "Example:\n  toolgate token --sub alice --scope \"public:read confidential:read\" --exp-hours 1"
    )]
    Token(TokenArgs),
    /// Work on policies
    #[command(subcommand)]
    Policy(PolicyTask),
    /// Exit with 0 when the gateway is ready
    #[command(after_help = "Example:\n  toolgate healthcheck --admin http://127.0.0.1:9090")]
    Healthcheck(HealthcheckArgs),
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  toolgate completions bash > /etc/bash_completion.d/toolgate")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  toolgate man | man -l -")]
    Man,
}

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyTask {
    /// Name every flaw of a policy, with its place
    #[command(after_help = "Examples:\n  toolgate policy check policy.yaml\n  \
                            toolgate policy check policy.yaml --tools tools.json")]
    Check {
        /// The policy
        file: PathBuf,
        /// What a server answers to `tools/list`: conditions are held against the schemas of the tools
        #[arg(long, value_name = "FILE")]
        tools: Option<PathBuf>,
        /// Print the flaws as JSON to standard output
        #[arg(long)]
        json: bool,
    },
    /// Run the tests that a policy carries
    #[command(after_help = "Example:\n  toolgate policy test policy.yaml --junit report.xml")]
    Test {
        /// The policy
        file: PathBuf,
        /// Print the results as JSON to standard output
        #[arg(long)]
        json: bool,
        /// Write the results as JUnit XML to this file
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Write a policy to start from: what a server lists, all of it refused
    #[command(after_help = "Example:\n  toolgate policy init --upstream http://127.0.0.1:9000/mcp > policy.yaml")]
    Init(Access),
    /// Write the rules of another gateway as a policy that allows nothing more
    #[command(
        after_help = "What cannot be said in a policy is left out where it lets in, refuses more where it refuses, \
                            and is told on standard error. Exit codes: 0 a policy is printed, 1 none.\n\n\
                            Examples:\n  toolgate policy import --from agentgateway config.yaml > policy.yaml\n  \
                            toolgate policy import --from envoy-ai-gateway route.yaml --target github > policy.yaml"
    )]
    Import(ImportArgs),
    /// Write a policy as a resource of another project that allows nothing more
    #[command(after_help = "What cannot be said there is left out, and told on standard error.\n\n\
                            Example:\n  toolgate policy export --to x-access-policy policy.yaml --name reports \\\n    \
                            --target backend/reports --caller \"reports:read=serviceaccount:agents/reader\"")]
    Export(ExportArgs),
    /// Print the JSON Schema of policies, by which an editor completes them
    #[command(after_help = "Example:\n  toolgate policy schema > schema.json\n\n\
                            A policy names it in its first line:\n  # yaml-language-server: $schema=schema.json")]
    Schema,
    /// Find rules about nothing that a server lists, and things that no rule is about
    #[command(
        after_help = "Exit codes: 0 nothing found, 1 something found, 2 the server or the policy cannot be read.\n\n\
                            Example:\n  toolgate policy lint policy.yaml --upstream http://127.0.0.1:9000/mcp"
    )]
    Lint {
        /// The policy
        file: PathBuf,
        /// The server
        #[command(flatten)]
        access: Access,
        /// Print what is found as JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a least-privilege policy with tests, from recorded decisions
    #[command(after_help = "Example:\n  toolgate policy learn audit.jsonl --base policy.yaml > learned.yaml")]
    Learn {
        /// Audit lines
        audit: PathBuf,
        /// The policy that was in force: which scopes are about permission, and what is open to everybody
        #[arg(long, value_name = "FILE")]
        base: Option<PathBuf>,
    },
    /// Pin what the tools of a server say of themselves
    #[command(
        after_help = "Example:\n  toolgate policy lock --upstream http://127.0.0.1:9000/mcp -o tools.lock\n  \
                            toolgate policy lock --upstream http://127.0.0.1:9000/mcp --check tools.lock"
    )]
    Lock(LockArgs),
    /// Show what changes for whom between two policies
    #[command(
        after_help = "Every set of scopes and every way in which patterns meet is looked at, not a sample.\n\n\
                            With --audit, recorded decisions are decided again, too: which change, for whom, how often.\n\n\
                            Exit codes: 0 answered, 1 what --fail-on names happened, 2 not answered.\n\n\
                            Examples:\n  toolgate policy diff old.yaml new.yaml --fail-on loosened\n  \
                            toolgate policy diff old.yaml new.yaml --audit audit.jsonl"
    )]
    Diff(DiffArgs),
    /// Show callers across and tools, prompts, resources and methods down
    #[command(after_help = "Example:\n  toolgate policy matrix policy.yaml --scopes \"public:read\" --scopes \"\"")]
    Matrix {
        /// The policy
        file: PathBuf,
        /// A caller: its scopes, separated by spaces; may be repeated [default: the callers of the policy's tests]
        #[arg(long, value_name = "SCOPES")]
        scopes: Vec<String>,
        /// How to print it
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: MatrixFormat,
    },
    /// Say why a caller may have something or may not: claim, scope, rule, decision
    #[command(after_help = "The token is read, not verified, and never printed.\n\n\
                            Examples:\n  toolgate policy explain policy.yaml --tool delete_file --scope files:read\n  \
                            toolgate policy explain policy.yaml --tool delete_file --token-file token.txt")]
    Explain(ExplainArgs),
    /// Say who can have something
    #[command(after_help = "Example:\n  toolgate policy who policy.yaml --can \"delete_*\"")]
    Who {
        /// The policy
        file: PathBuf,
        /// A name or pattern of tools, prompts, resources or methods
        #[arg(long, value_name = "NAME")]
        can: String,
        /// Only of this kind: tool, prompt, resource or method
        #[arg(long, value_name = "KIND", value_parser = ["tool", "prompt", "resource", "method"])]
        kind: Option<String>,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what somebody can have
    #[command(after_help = "Example:\n  toolgate policy what policy.yaml --scope public:read,confidential:read")]
    What {
        /// The policy
        file: PathBuf,
        /// The scopes, separated by commas or spaces; may be repeated
        #[arg(long = "scope", value_name = "SCOPES")]
        scopes: Vec<String>,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What is imported.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The format of the file
    #[arg(long, value_name = "FORMAT", value_parser = ["agentgateway", "envoy-ai-gateway"])]
    pub from: String,
    /// The file
    pub file: PathBuf,
    /// The server that toolgate stands before, by its name in the file
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Where there are several, the one that begins on this line
    #[arg(long, value_name = "LINE")]
    pub line: Option<usize>,
}

/// What is exported.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The kind of resource
    #[arg(long, value_name = "KIND", value_parser = ["x-access-policy"])]
    pub to: String,
    /// The policy
    pub file: PathBuf,
    /// The name of the resource
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Its namespace
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// What it is about: gateway/NAME or backend/NAME
    #[arg(long, value_name = "TARGET")]
    pub target: String,
    /// A workload and the scopes that its tokens have, separated by spaces: "a:read b:read=serviceaccount:NAMESPACE/NAME" or
    /// "a:read=spiffe://…"; may be repeated
    #[arg(long, value_name = "SCOPES=IDENTITY", required = true)]
    pub caller: Vec<String>,
    /// Allow these workloads to begin sessions, to list, to complete and to set log levels; lists are not filtered there
    #[arg(long)]
    pub base_protocol: bool,
    /// Name tools by an expression where there are more than ten, or longer names than twenty characters
    #[arg(long)]
    pub cel: bool,
}

/// How a server is asked what it has.
#[derive(Debug, Clone, Args)]
pub struct Access {
    /// The MCP server: http://127.0.0.1:9000/mcp or unix:/run/mcp/server.sock#/mcp
    #[arg(long, value_name = "URL", value_parser = server)]
    pub upstream: Upstream,
    /// A file with a token, if the server wants one
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// The flags of `policy lock`.
#[derive(Debug, Clone, Args)]
pub struct LockArgs {
    /// The MCP server: http://127.0.0.1:9000/mcp or unix:/run/mcp/server.sock#/mcp
    #[arg(long, value_name = "URL", value_parser = server)]
    pub upstream: Upstream,
    /// A file with a token; repeated where the server lists other tools, or other words, to other callers
    #[arg(long = "token-file", value_name = "FILE")]
    pub token_files: Vec<PathBuf>,
    /// Where to write the lockfile [default: standard output]
    #[arg(short, long, value_name = "FILE", conflicts_with = "check")]
    pub output: Option<PathBuf>,
    /// Write nothing, and exit with 1 if the server is not as this lockfile says
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

fn server(text: &str) -> Result<Upstream, String> {
    Upstream::parse(text).map_err(|flaw| flaw.message)
}

/// The flags of `policy explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The policy
    pub file: PathBuf,
    /// The tool that is called
    #[arg(long, value_name = "NAME", group = "thing")]
    pub tool: Option<String>,
    /// The prompt that is got
    #[arg(long, value_name = "NAME", group = "thing")]
    pub prompt: Option<String>,
    /// The resource that is read
    #[arg(long, value_name = "URI", group = "thing")]
    pub resource: Option<String>,
    /// The method that is called
    #[arg(long, value_name = "NAME", group = "thing")]
    pub method: Option<String>,
    /// A scope of the caller, or several separated by spaces; may be repeated
    #[arg(long = "scope", value_name = "SCOPES", conflicts_with_all = ["token_file", "claims"])]
    pub scopes: Vec<String>,
    /// A file with the caller's token; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "claims")]
    pub token_file: Option<PathBuf>,
    /// The claims of the caller's token, in JSON
    #[arg(long, value_name = "JSON")]
    pub claims: Option<String>,
    /// The arguments of the call, in JSON: for rules with a condition
    #[arg(long, value_name = "JSON")]
    pub args: Option<String>,
    /// A claim that holds scopes; may be repeated [default: scope, scp]
    #[arg(long = "scope-claim", value_name = "PATH")]
    pub scope_claims: Vec<String>,
    /// Print the explanation as JSON
    #[arg(long)]
    pub json: bool,
}

/// The flags of `policy diff`.
#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    /// The policy in force
    pub old: PathBuf,
    /// The policy that is to replace it
    pub new: PathBuf,
    /// Recorded decisions, to be decided again by both
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
    /// Exit with 1 if something changes this way
    #[arg(long, value_name = "CHANGE")]
    pub fail_on: Option<FailOn>,
    /// Print the changes as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which changes between policies are a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Somebody may do more.
    Loosened,
    /// Somebody may do less.
    Tightened,
    /// Anything changes.
    Any,
}

/// How a matrix is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MatrixFormat {
    /// Columns for a terminal.
    Text,
    /// A table in Markdown.
    Markdown,
    /// A page in HTML.
    Html,
    /// JSON.
    Json,
}

/// The flags of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", env = "TOOLGATE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: std::net::SocketAddr,
    /// Where /metrics, /livez and /readyz are
    #[arg(long, value_name = "ADDRESS", env = "TOOLGATE_ADMIN", default_value = "127.0.0.1:9090")]
    pub admin: std::net::SocketAddr,
    /// The key tokens are signed with [default: a random one]
    #[arg(long, value_name = "TEXT", env = "TOOLGATE_SECRET", hide_env_values = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub secret: Option<String>,
    /// The policy [default: the built-in sample]
    #[arg(long, value_name = "FILE", env = "TOOLGATE_POLICY")]
    pub policy: Option<PathBuf>,
    /// What the sample server serves [default: documents/, or a built-in copy]
    #[arg(long, value_name = "DIR", env = "TOOLGATE_DOCUMENTS")]
    pub documents: Option<PathBuf>,
}

/// The flags of `token`.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// The subject: whose token it is
    #[arg(long, value_name = "NAME", env = "TOOLGATE_SUB", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub sub: String,
    /// A scope, or several separated by spaces; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", env = "TOOLGATE_SCOPE")]
    pub scopes: Vec<String>,
    /// For how many hours it is valid
    #[arg(long, value_name = "HOURS", env = "TOOLGATE_EXP_HOURS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=87_600))]
    pub exp_hours: u64,
    /// The key it is signed with [default: that of the earlier prototype]
    #[arg(long, value_name = "TEXT", env = "TOOLGATE_SECRET", hide_env_values = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub secret: Option<String>,
    /// A file with that key
    #[arg(long, value_name = "FILE", env = "TOOLGATE_SECRET_FILE", conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// The issuer (`iss`)
    #[arg(long, value_name = "NAME", env = "TOOLGATE_ISSUER")]
    pub issuer: Option<String>,
    /// Whom it is meant for (`aud`); may be repeated
    #[arg(long, value_name = "NAME", env = "TOOLGATE_AUDIENCE", value_delimiter = ',')]
    pub audience: Vec<String>,
}

/// The flags of `healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckArgs {
    /// The admin listener: IP:PORT or http://HOST:PORT
    #[arg(long, value_name = "URL", env = "TOOLGATE_ADMIN", default_value = "127.0.0.1:9090")]
    pub admin: String,
}

/// The flags of `serve`, as given: one for every key of the configuration.
#[derive(Debug, Clone, Default)]
pub struct ServeArgs {
    pub(super) config: Option<PathBuf>,
    flags: Flags,
}

impl ServeArgs {
    pub(super) const fn flags(&self) -> &Flags {
        &self.flags
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<PathBuf>("config").cloned();
        for key in KEYS {
            if let Some(values) = matches.get_many::<String>(key.name) {
                self.flags.insert(key.name, values.cloned().collect());
            }
        }
        Ok(())
    }
}

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("The configuration, in YAML [env: TOOLGATE_CONFIG]");
        KEYS.iter().fold(command.arg(config), |command, key| {
            let action = if key.takes_many { ArgAction::Append } else { ArgAction::Set };
            let help = format!("{} [env: {}]", key.help, key.variable());
            // The command line is described once, and lives as long as the program.
            let flag: &'static str = key.flag().leak();
            let arg = Arg::new(key.name).long(flag).value_name(key.value).action(action).help(help);
            command.arg(arg.help_heading(key.heading))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

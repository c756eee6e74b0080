//! The MCP server: which method is answered by what.
#![expect(
    deprecated,
    reason = "logging and resources/subscribe are gone in MCP 2026-07-28, not in those before it"
)]

use std::{io, sync::Arc};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, GetPromptRequestParams,
        GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SetLevelRequestMethod, SetLevelRequestParams, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};

use crate::{
    Options,
    calls::CallsLog,
    changes::{Listeners, Session},
    completion,
    document::Library,
    prompts, resources, tools,
};

/// What all sessions and all stateless requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) library: Library,
    pub(crate) calls: CallsLog,
    pub(crate) listeners: Listeners,
    pub(crate) extra_tools: Vec<String>,
    pub(crate) extra_prompts: Vec<String>,
    pub(crate) extra_resources: Vec<String>,
}

impl Shared {
    /// Opens what the options name.
    pub(crate) fn new(options: Options) -> io::Result<Self> {
        Ok(Self {
            calls: CallsLog::open(options.calls_log.as_deref())?,
            library: Library::new(options.documents),
            listeners: Listeners::default(),
            extra_tools: options.extra_tools,
            extra_prompts: options.extra_prompts,
            extra_resources: options.extra_resources,
        })
    }
}

/// The server of one session or of one stateless request.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: Arc<Session>,
}

impl Server {
    /// Starts with an empty session.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, session: Arc::default() }
    }
}

/// Whether the request is of a revision without sessions, that is 2026-07-28 or later.
pub(crate) fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| !version.has_initialize())
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        ServerConfig::new(capabilities)
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
            .with_server_info(
                Implementation::new("upstream-mcp", env!("CARGO_PKG_VERSION")).with_title("Acme documents"),
            )
            .with_instructions("Documents of the sample company Acme Corp.")
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::list(&self.shared.extra_tools)))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::list(&self.shared.extra_tools).into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        tools::call(self, request, context).await
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::list(&self.shared.extra_prompts)))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if self.shared.extra_prompts.contains(&request.name) {
            return prompts::get_extra(&self.shared.calls, &request.name).map(Into::into);
        }
        prompts::get(&self.shared.calls, &self.shared.library, &request).await.map(Into::into)
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list(&self.shared.extra_resources)))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if self.shared.extra_resources.contains(&request.uri) {
            return resources::read_extra(&self.shared.calls, &request.uri).map(Into::into);
        }
        resources::read(&self.shared.calls, &self.shared.library, &request.uri).await.map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completion::complete(&self.shared.calls, &request).map(CompleteResult::new)
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if is_stateless(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        self.session.set_level(request.level);
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let document = resources::find(&request.uri)?;
        self.shared.calls.record("subscribe", document.uri())?;
        self.session.subscribe(document.uri());
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let document = resources::find(&request.uri)?;
        self.session.unsubscribe(document.uri());
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.shared.listeners.add_session(&self.session, context.peer);
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.retain(|uri| resources::find(uri).is_ok());
        }
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        // Dropping the sink, in whichever way this ends, takes it off the list.
        let sink = Arc::new(context.sink().clone());
        self.shared.listeners.add_subscription(&sink);
        for uri in context.accepted().resource_subscriptions.iter().flatten() {
            self.shared.calls.record("subscribe", uri)?;
        }
        context.cancelled().await;
        Ok(())
    }
}

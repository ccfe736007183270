"""Parley, one Flask application. This page is the table of contents: what is set up, in which order.

Everything is imported inside `create_app()`. The server's master process imports this package for its worker class and
must stay free of the application, which every worker loads anew: see chat/server/libraries.py.
"""

import gc

__version__ = "0.1.0"


def create_app(settings=None, *, spawn=None):
    """The application with its settings (default: those of the environment). It serves nobody until `serve(app)`.

    spawn   runs a function beside the caller; tests bring their own.
    """
    from flask import Flask, g
    from flask_migrate import Migrate

    import config
    from chat import wiring
    from chat.accounts import signed_in
    from chat.accounts.closing_views import bp as closing
    from chat.accounts.closing_views import on_erase_page
    from chat.accounts.factor_views import bp as factors
    from chat.accounts.link_views import bp as links
    from chat.accounts.oidc_views import bp as oidc
    from chat.accounts.views import bp as accounts
    from chat.accounts.views import on_invitation_page, on_person_page
    from chat.admin.moderation.presenter import standing_of_person
    from chat.admin.moderation.queries import count_of_open_reports
    from chat.admin.moderation.views import bp as moderation
    from chat.admin.views import bp as admin
    from chat.api.document import bp as docs
    from chat.api.document import describe
    from chat.api.views import NOUNS
    from chat.api.views import bp as api
    from chat.cli import commands
    from chat.core import assets, compress, headers, policies, rate_limit, web
    from chat.core.compiled import Compiled
    from chat.core.cookies import ReadableCookies
    from chat.core.db import db, engine_options, prepare
    from chat.core.jobs import Job  # noqa: F401  its table belongs to every process, whether it does jobs or not
    from chat.messages.presenter import on_sidebar
    from chat.messages.sidebar import bp as front
    from chat.messages.sidebar import sidebar_of_this_page
    from chat.messages.views import bp as messages
    from chat.ops.lag import LoopLag
    from chat.ops.views import bp as ops
    from chat.realtime.bus import shared_buckets_of
    from chat.realtime.live import Live
    from chat.realtime.sse import EventStreams
    from chat.rooms.actions.members import rooms_of_invite
    from chat.rooms.found import bp as site
    from chat.rooms.invite_views import bp as invites
    from chat.rooms.presenter import rooms_of_person
    from chat.rooms.views import bp as rooms
    from chat.server import async_mode
    from chat.server.roles import OnlyRoles
    from chat.site.queries import the_site
    from chat.transfer.export_views import bp as own_data
    from chat.transfer.export_views import export_of

    settings = settings or config.load()
    app = Flask(__name__, root_path=None, template_folder="../templates", static_folder=None)
    app.config.update(
        PARLEY=settings,
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_NAME="__Host-parley" if settings.secure else "parley",
        SESSION_COOKIE_SECURE=settings.secure,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # a tab may stay open for weeks; the token ends with the session
        MAX_CONTENT_LENGTH=settings.upload_bytes + 100_000,
        MAX_FORM_MEMORY_SIZE=500_000,
        MAX_FORM_PARTS=100,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.bytecode_cache = Compiled(app.jinja_env)
    if settings.trusted_proxies:
        from werkzeug.middleware.proxy_fix import ProxyFix

        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # all of ours hand on the Host itself

    db.init_app(app)
    Migrate(app, db, directory="migrations", render_as_batch=True)
    with app.app_context():
        prepare(db.engine)

    rate_limit.init_app(app, shared_buckets_of(settings))
    web.init_app(app)
    compress.init_app(app)
    headers.init_app(app)
    assets.init_app(app)
    signed_in.init_app(app)
    app.context_processor(lambda: {"site": None if g.pop("database_is_away", False) else the_site()})
    app.extensions["sidebar"] = sidebar_of_this_page
    on_person_page.update(rooms=rooms_of_person, moderation=standing_of_person)
    on_sidebar["reports"] = count_of_open_reports
    on_invitation_page["rooms"] = lambda invite: [room.name for room in rooms_of_invite(invite)]
    on_erase_page["export"] = export_of

    nouns = (site, front, accounts, factors, oidc, links, closing, invites, own_data, rooms, messages, moderation)
    for blueprint in (*nouns, admin, api, docs, ops):
        app.register_blueprint(blueprint)
    describe(app, api, NOUNS)
    policies.refuse_undeclared(app)

    live = Live(
        app,
        settings,
        async_mode=async_mode.running() or "threading",
        spawn=spawn or async_mode.spawn,
        sleep=async_mode.sleep,
        fast=async_mode.hands_over(),
    )
    app.extensions.update(live=live, presence=live.presence.shown, lag=LoopLag(async_mode.sleep))
    app.extensions.update(event_streams=EventStreams(live))
    wiring.attach()
    commands.register(app)
    app.wsgi_app = OnlyRoles(ReadableCookies(app.wsgi_app), settings.roles)
    return app


def serve(app):
    """Begin the background work of a process that serves, as far as its PARLEY_ROLE says: the pump, tidying up, and in
    any case the watch over the event loop."""
    from chat.core.jobs import JobLoop
    from chat.core.ledger import Ledger
    from chat.ops.housekeeping import Housekeeping
    from chat.server import async_mode, lifecycle

    for name in app.jinja_env.list_templates(extensions=["html"]):
        app.jinja_env.get_template(name)  # loaded now, or the first visitor to each page would hold up everybody
    app.extensions["api_document"]()  # made now, for the same reason
    live, roles = app.extensions["live"], app.config["PARLEY"].roles
    ledger = Ledger(app, spawn=async_mode.spawn)
    ledger.start()
    live.start(connections="realtime" in roles)
    if app.extensions["limiter"].shared:
        async_mode.spawn(app.extensions["limiter"].keep_sharing, async_mode.sleep)
    async_mode.spawn(app.extensions["lag"].watch)
    if "jobs" in roles:
        async_mode.spawn(Housekeeping(app, async_mode.sleep).keep)
        jobs = JobLoop(app, async_mode.sleep)
        async_mode.spawn(jobs.keep)
        lifecycle.on_stop(jobs.stop)
    gc.collect()
    gc.freeze()  # what the program itself consists of is never garbage: looking through it again takes 50 ms
    gc.set_threshold(100_000, 50, 50)  # a full search is the longest pause there is, and finds next to nothing
    lifecycle.on_stop(live.stop)
    lifecycle.on_stop(app.extensions["event_streams"].stop)
    lifecycle.on_stop(ledger.stop)  # last: what came until then is stored

"""Signing in through identity providers: OpenID Connect in general, and GitHub, which speaks OAuth 2 alone.

Here is what goes over the wire and what is believed of it. Who may come in with it is decided in
`accounts/actions/providers.py`. Nothing connects to anywhere until a provider is configured and somebody chooses it.
"""

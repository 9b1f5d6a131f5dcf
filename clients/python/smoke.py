"""Sign in and read the place tree, with nothing but the generated client: `python smoke.py URL EMAIL PASSWORD`."""

import sys

from safesignal_client import AuthenticatedClient, Client
from safesignal_client.api.auth import login
from safesignal_client.api.organizations import list_organizations
from safesignal_client.api.places import get_place_tree
from safesignal_client.models import LoginRequest, OrganizationPage, TokenPair, Tree

url, email, password = sys.argv[1:]
pair = login.sync(client=Client(base_url=url), body=LoginRequest(email=email, password=password))
assert isinstance(pair, TokenPair), pair
client = AuthenticatedClient(base_url=url, token=pair.access)
page = list_organizations.sync(client=client)
assert isinstance(page, OrganizationPage), page
for organization in page.results:
    tree = get_place_tree.sync(organization.id, client=client)
    assert isinstance(tree, Tree), tree
    rooms = [
        room for site in tree.sites for building in site.buildings for floor in building.floors for room in floor.rooms
    ]
    print(f"{organization.name}: {len(tree.sites)} site, {len(rooms)} rooms, first {rooms[0].name}")

"""Display names of rooms."""


def room_name(number: str) -> str:
    """Return the display name of a room: "Room 101"; a number without digits is a name already, such as "Gym"."""
    return f"Room {number}" if any(character.isdigit() for character in number) else number

"""How people call the room of an alert."""


def room_name(number: str) -> str:
    """A room by its number: "Room 101"; a number without digits is already a name, such as "Gym"."""
    return f"Room {number}" if any(letter.isdigit() for letter in number) else number

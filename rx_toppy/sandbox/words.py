"""What the made-up bots and users are named, tagged and described with."""

THEMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # tag: (what a bot of this kind is called, what it can do)
    "Moderation": (
        ("Guard", "Warden", "Shield", "Sentinel", "Mod"),
        (
            "ban, kick and mute with reasons and time limits",
            "stop spam and raids before anybody sees them",
            "keep a record of warnings for each member",
        ),
    ),
    "Music": (
        ("Tunes", "Melody", "Groove", "Radio", "Beats"),
        (
            "play songs and whole playlists without lag",
            "change bass, speed and pitch while a song plays",
            "keep a queue that everybody can vote on",
        ),
    ),
    "Economy": (
        ("Coins", "Bank", "Market", "Mint", "Bazaar"),
        (
            "earn, trade and gamble a currency of your own",
            "run a shop that sells roles and items",
            "show who is the richest of the server",
        ),
    ),
    "Leveling": (
        ("Levels", "Ranks", "Rise", "Ladder", "XP"),
        (
            "reward chatting with levels and roles",
            "draw rank cards with your own background",
            "keep a leaderboard for every server",
        ),
    ),
    "Fun": (
        ("Party", "Joker", "Giggle", "Confetti", "Panda"),
        (
            "settle an argument with dice, coins and an 8-ball",
            "start polls, quizzes and giveaways",
            "wish members a happy birthday",
        ),
    ),
    "Game": (
        ("Quest", "Arena", "Dungeon", "Duel", "Arcade"),
        (
            "fight monsters and gather loot with friends",
            "play chess, connect four and hangman in chat",
            "take part in weekly tournaments",
        ),
    ),
    "Anime": (
        ("Chan", "Senpai", "Neko", "Sakura", "Otaku"),
        (
            "look up anime, manga and characters",
            "collect characters and trade them",
            "tell the channel when a new episode is out",
        ),
    ),
    "Meme": (
        ("Memes", "Doge", "Kek", "Template", "Stonks"),
        (
            "post fresh memes every hour",
            "make memes of your own from any picture",
            "rate the memes of other members",
        ),
    ),
    "Utility": (
        ("Tools", "Helper", "Desk", "Kit", "Assistant"),
        (
            "set reminders in any time zone",
            "translate messages with one reaction",
            "open tickets and keep their transcripts",
        ),
    ),
    "Logging": (
        ("Logs", "Archive", "Watcher", "Ledger", "Trace"),
        (
            "log edits, deletions and joins to a channel",
            "see who invited whom",
            "export the log of a day as a file",
        ),
    ),
    "Role Management": (
        ("Roles", "Badge", "Crown", "Picker", "Sorter"),
        (
            "give roles by buttons and menus",
            "give new members their roles as they join",
            "take a role away again after a time",
        ),
    ),
    "Social": (
        ("Pals", "Link", "Circle", "Confess", "Lounge"),
        (
            "match members with the same interests",
            "show profiles with badges and a bio",
            "connect channels of different servers",
        ),
    ),
    "Media": (
        ("Pixel", "Canvas", "Lens", "Frame", "Studio"),
        (
            "edit pictures with over 50 filters",
            "find pictures, clips and stickers",
            "turn a clip into an animated emoji",
        ),
    ),
    "Roleplay": (
        ("Tales", "Saga", "Tavern", "Persona", "Story"),
        (
            "speak as your characters through webhooks",
            "roll any dice of any system",
            "hug, pat and poke other members",
        ),
    ),
    "Stream": (
        ("Live", "Notify", "Caster", "Signal", "OnAir"),
        (
            "announce streams the moment they start",
            "follow channels on several platforms",
            "give streamers a role while they are live",
        ),
    ),
    "Minecraft": (
        ("Craft", "Block", "Creeper", "Realm", "Redstone"),
        (
            "show the state of your game server",
            "look up players, skins and recipes",
            "bridge the game's chat with a channel",
        ),
    ),
}
"""The tags that a bot can mainly be about."""

MORE_TAGS = (
    "Chatbot",
    "Crypto",
    "Customizable Behavior",
    "Fortnite",
    "League of Legends",
    "Multipurpose",
    "PUBG",
    "Reddit",
    "Roblox",
    "Soundboard",
    "Turkish",
    "Web Dashboard",
    "YouTube",
)
"""Tags that come beside the main one."""

STEMS = (
    "Astra", "Aurora", "Blaze", "Bolt", "Bubbles", "Cipher", "Cobalt", "Comet", "Coral", "Cosmo",
    "Dawn", "Delta", "Drift", "Echo", "Ember", "Fable", "Fern", "Flux", "Frost", "Ginger",
    "Halo", "Hazel", "Helix", "Indigo", "Iris", "Ivory", "Jade", "Jinx", "Juno", "Karma",
    "Kiwi", "Koda", "Lumen", "Luna", "Lyra", "Maple", "Marble", "Mika", "Miso", "Mocha",
    "Nebula", "Nimbus", "Nova", "Onyx", "Orbit", "Orion", "Pepper", "Pixie", "Plum", "Prism",
    "Quartz", "Quill", "Raven", "Ripple", "Rowan", "Rune", "Sable", "Salem", "Sky", "Sol",
    "Sparrow", "Stella", "Tempo", "Terra", "Toffee", "Topaz", "Umbra", "Vega", "Velvet", "Vesper",
    "Waffle", "Willow", "Yuki", "Yuzu", "Zen", "Zephyr",
)  # fmt: skip

ADJECTIVES = (
    "amber", "bitter", "brave", "calm", "clever", "cosmic", "crimson", "dizzy", "electric",
    "feral", "frozen", "gentle", "golden", "hidden", "hollow", "icy", "jolly", "lazy", "lunar",
    "mellow", "misty", "neon", "noble", "odd", "pale", "quiet", "rapid", "royal", "rusty",
    "salty", "shy", "silent", "sleepy", "solar", "spicy", "stormy", "tiny", "velvet", "vivid",
    "wild",
)  # fmt: skip

NOUNS = (
    "acorn", "badger", "beacon", "cactus", "cloud", "crow", "dragon", "falcon", "fox", "ghost",
    "hawk", "heron", "kernel", "kitten", "knight", "lantern", "lynx", "mango", "moth", "noodle",
    "otter", "owl", "panther", "pebble", "penguin", "pickle", "pirate", "raccoon", "raven",
    "robot", "salmon", "shark", "sparrow", "tiger", "toast", "turtle", "viper", "walrus", "wizard",
    "wolf",
)  # fmt: skip

PREFIXES = ("!", "?", "-", ".", "/", "$", "%", ">", "+", "m!", "t!", "a.", "b!", "x;", "??")

LIBRARIES = ("discord.js", "discord.py", "JDA", "eris", "discordgo", "Discord.Net", "", "other")

OPENINGS = (
    "{name} lets you {first}.",
    "The bot to {first}.",
    "{name}: {first}, and {second}.",
    "Want to {first}? Add {name}!",
    "A simple {tag} bot to {first}.",
    "All you need to {first}, and to {second}",
)
"""The short descriptions; `first` and `second` are things that the bot can do."""

CLOSINGS = (
    "It is free, and always will be.",
    "Add it, type `{prefix}help` and off you go.",
    "Questions? Our support server answers them all day.",
    "Everything can be set with `{prefix}config`.",
    "Trusted by communities all over the world.",
    "Votes help us to grow: thank you for each of them!",
)

BIOS = (
    "I make bots.",
    "just here for the memes",
    "Developer, gamer, cat person.",
    "hi :)",
    "Python by day, music by night",
    "dm me for collabs",
    "Student. I answer within a day, mostly.",
    "🌙 building things that nobody asked for",
)

COLOURS = ("#7289da", "#ff0055", "2ecc71", "#FFF", "blurple", "red", "rgb(12, 34, 56)", "", "none")
"""Whatever the users typed, often no valid hex."""

DEFAULT_AVATARS = (
    "6debd47ed13483642cf09e832ed0bc1b",
    "322c936a8c8be1b803cd94861bdfa868",
    "dd4dbc0016779df1378e7812eabaa04d",
    "0e291f67c9274a1abdddeb3fd919cbaa",
    "1cbd08c76f8af6dddce02c5138971129",
)

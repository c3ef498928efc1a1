package console

import "html/template"

// icons are drawn in a square of 24, with a line of one width and no fill: what a page calls one by, and its strokes.
var icons = map[string]string{ //nolint:gochecknoglobals // a table
	"home":     "M4 11.5 12 5l8 6.5M6.5 10v9h11v-9",
	"building": "M5 20V5h9v15M14 10h5v10M3 20h18M8 9h3M8 13h3M8 17h3",
	"person":   "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM5 20c.6-3.6 3.4-5.5 7-5.5s6.4 1.9 7 5.5",
	"people":   "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM3 19c.5-3 2.9-4.5 6-4.5s5.5 1.5 6 4.5M16 5.2a3.3 3.3 0 0 1 0 6M17.5 14.8c2 .5 3.2 1.9 3.5 4.2",
	"target":   "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z",
	"cart":     "M3 5h2.5l2 10.5h9.5L19.5 8H6.5M9 19.5h.01M16 19.5h.01",
	"scroll":   "M7 4h10v16H7zM10 8.5h4M10 12h4M10 15.5h2",
	"receipt":  "M6 4h12v16l-2-1.5-2 1.5-2-1.5-2 1.5-2-1.5L6 20zM9.5 9h5M9.5 12.5h5",
	"coins":    "M9.5 13.5a5 5 0 1 0 0-10 5 5 0 0 0 0 10ZM14.5 8.2a5 5 0 1 1-4.9 7.3",
	"box":      "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
	"tag":      "M4 12.5V4h8.5l7.5 7.5-8.5 8.5zM8.5 8.5h.01",
	"horn":     "M4 10v4h3l8 4.5v-13L7 10zM18 9.5a4 4 0 0 1 0 5",
	"lifebuoy": "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM6.5 6.5l3.4 3.4M17.5 6.5l-3.4 3.4M6.5 17.5l3.4-3.4M17.5 17.5l-3.4-3.4",
	"star":     "M12 4l2.4 5 5.6.700-4.1 3.8 1.1 5.5-5-2.7-5 2.7 1.1-5.5L4 9.7 9.6 9z",
	"phone":    "M6 4h3.5l1.5 4.5-2 1.5a11 11 0 0 0 5 5l1.5-2L20 14.5V18a2 2 0 0 1-2 2A14 14 0 0 1 4 6a2 2 0 0 1 2-2Z",
	"check":    "M5 5h14v14H5zM8.5 12l2.5 2.5 4.5-5",
	"flow":     "M4 6h6v4H4zM14 14h6v4h-6zM7 10v6h7",
	"sliders":  "M5 7h8M17 7h2M15 5v4M5 12h2M11 12h8M9 10v4M5 17h8M17 17h2M15 15v4",
	"plug":     "M9 4v4M15 4v4M7 8h10v3a5 5 0 0 1-10 0zM12 16v4",
	"clock":    "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM12 8v4.5l3 1.5",
	"play":     "M7 5l11 7-11 7z",
	"letter":   "M4 6h16v12H4zM4 7l8 6 8-6",
	"note":     "M6 4h12v16H6zM9 9h6M9 12.5h6M9 16h3",
	"plus":     "M12 5v14M5 12h14",
	"search":   "M10.5 16a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM14.5 14.5L20 20",
	"menu":     "M4 7h16M4 12h16M4 17h16",
	"x":        "M6 6l12 12M18 6L6 18",
	"columns":  "M4 5h16v14H4zM9.5 5v14M14.5 5v14",
	"filter":   "M4 6h16M7 12h10M10 18h4",
	"bell":     "M6 16h12l-1.5-2.5V10a4.5 4.5 0 0 0-9 0v3.5zM10.5 19h3",
	"tray":     "M4 13.5h4.5l1 2.5h5l1-2.5H20M4 13.5L6.5 6h11L20 13.5V19H4z",
	"chart":    "M4 20h16M7 20v-6M12 20V6M17 20v-9",
	"upload":   "M12 16V5M7.5 9.5L12 5l4.5 4.5M5 19h14",
	"download": "M12 5v11M7.5 11.5L12 16l4.5-4.5M5 19h14",
	"shield":   "M12 4l7 2.5V12c0 4-3 6.7-7 8-4-1.3-7-4-7-8V6.5z",
	"key":      "M8 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM11.5 13H20M17 13v3",
	"gear":     "M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM12 4v2M12 18v2M4 12h2M18 12h2M6.3 6.3l1.5 1.5M16.2 16.2l1.5 1.5M6.3 17.7l1.5-1.5M16.2 7.8l1.5-1.5",
	"file":     "M7 4h7l4 4v12H7zM14 4v4h4",
	"edit":     "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
	"merge":    "M6 4v3c0 4 6 4 6 8v5M18 4v3c0 4-6 4-6 8M9 17.5l3 3 3-3",
	"trash":    "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
}

// icon draws one; what it means a word beside it says.
func icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="` + icons[name] + `"/></svg>`) //nolint:gosec // drawn above
}

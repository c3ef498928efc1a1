package console

import "strings"

// What browsers and systems call themselves in a User-Agent, the more particular before those that they pretend to be.
var (
	browsers = [][2]string{ //nolint:gochecknoglobals // a constant table
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"MicroMessenger/", "WeChat"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems = [][2]string{ //nolint:gochecknoglobals // a constant table
		{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	}
)

// browserName is what people call the browser that a User-Agent is of; what is none known is said as it is, and "" is unknown.
func browserName(words catalogue, agent string) string {
	named := func(table [][2]string) string {
		for _, known := range table {
			if strings.Contains(agent, known[0]) {
				return known[1]
			}
		}
		return ""
	}
	browser, system := named(browsers), named(systems)
	switch {
	case agent == "":
		return words["session.unknown"]
	case browser == "":
		return agent
	case system == "":
		return browser
	}
	return browser + " · " + system
}

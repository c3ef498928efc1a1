package schema

import "maps"

// MergePatch applies a JSON merge patch (RFC 7396) to a document and returns the result: null removes a member,
// an object is merged member by member, anything else replaces. Neither argument is changed, but the result
// shares their parts.
func MergePatch(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	old, _ := target.(map[string]any)
	merged := make(map[string]any, len(old)+len(members))
	maps.Copy(merged, old)
	for name, value := range members {
		if value == nil {
			delete(merged, name)
			continue
		}
		merged[name] = MergePatch(merged[name], value)
	}
	return merged
}
